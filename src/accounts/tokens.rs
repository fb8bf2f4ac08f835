//! Tokens of streams: short-lived, signed, counted, and ended at once where they are revoked.
//!
//! A token is a signed text, and a row that says what it is good for and until when. Requests ask
//! the picture of all rows in memory, so that a refresh moves the end and a revocation takes the
//! token away, whatever the text says.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::secret::{self, Secret, random_bytes};
use super::watcher::{TokenHolder, Watcher};
use super::{Accounts, Actor, Refusal, jwt};
use crate::config::Tokens;
use crate::db::api_keys::KeyId;
use crate::db::audit::{self, NewEntry};
use crate::db::stream_tokens::{self, Made, SigningKey, StreamToken, TokenId, TokenSpec};
use crate::db::users::{Tier, UserId};

/// How long it is good in all, however often it is refreshed.
pub(super) const MAX_LIFETIME: Duration = Duration::from_hours(24);

/// How old a key is when another one takes its place: long enough for nobody to notice.
const KEY_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// Tokens that one owner makes in a day, by tier.
const MAX_DAY_FREE: u32 = 10;
const MAX_DAY_PRO: u32 = 100;

/// Who makes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Maker {
    /// A user.
    User(UserId),
    /// A program.
    Key(KeyId),
    /// Whoever is in a network to which streams are open.
    Household(IpAddr),
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(UserId(id)) => write!(f, "user:{id}"),
            Self::Key(KeyId(id)) => write!(f, "key:{id}"),
            Self::Household(address) => write!(f, "address:{address}"),
        }
    }
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoToken {
    /// It is none of ours, or over, or revoked.
    Unknown,
    /// It is for another address or another player.
    Bound,
}

/// A token that was made, and the text that stands for it.
#[derive(Debug)]
pub struct MadeToken {
    /// The token.
    pub token: StreamToken,
    /// Its text, which is not to be had again.
    pub text: Secret,
}

impl Accounts {
    /// Makes a token, if its maker has not made too many. All of that is one transaction.
    pub async fn create_token(
        &self,
        maker: Maker,
        tier: Tier,
        spec: TokenSpec,
    ) -> Result<MadeToken, Refusal> {
        let (owner, limits) = (maker.to_string(), self.token_limits());
        let write = move |connection: &_| {
            // Counted in the transaction that inserts: two
            // requests at once cannot both be the last one.
            check_limits(stream_tokens::made(connection, &owner)?, limits, tier)?;
            let now = Timestamp::now();
            let (key, until) = (signing_key(connection, now)?, now + limits.lifetime);
            let text = text(&owner, &spec, &key, now, until);
            // Only the hash is kept: a copy of the database lets nobody watch.
            let hash = secret::hash(text.reveal());
            let token = stream_tokens::insert(connection, &owner, &hash, &spec, until)?;
            Ok::<_, Refusal>(MadeToken { token, text })
        };
        let made = self.database().write(write).await?;
        self.refresh().await?;
        Ok(made)
    }

    /// Lets a token live on for as long as a new one would, but no longer than a day in all.
    pub async fn refresh_token(&self, id: TokenId) -> Result<StreamToken, Refusal> {
        let unknown = || Refusal::Unknown { what: "token", id: id.0 };
        let token = self.people().token_of(id).cloned().ok_or_else(unknown)?;
        // The key that signed it is kept no longer than this behind its own time.
        let until = (Timestamp::now() + self.token_limits().lifetime).min(token.created_at + MAX_LIFETIME);
        let write = move |connection: &_| stream_tokens::extend(connection, id, until);
        let extended = self.database().write(write).await?.ok_or_else(unknown)?;
        self.refresh().await?;
        Ok(extended)
    }

    /// Ends a token, and whoever watches by it.
    pub async fn revoke_token(&self, actor: &Actor, id: TokenId) -> Result<(), Refusal> {
        let actor = actor.to_string();
        let write = move |connection: &_| {
            if !stream_tokens::revoke(connection, id)? {
                return Err(Refusal::Unknown { what: "token", id: id.0 });
            }
            let object = format!("token:{}", id.0);
            let entry =
                NewEntry { actor: actor.clone(), action: "token.revoke", object, before: None, after: None };
            audit::insert(connection, &entry)?;
            Ok(())
        };
        self.database().write(write).await?;
        self.refresh().await
    }

    /// The token whose text this is, for one at this address with this player.
    pub fn token(&self, text: &str, household: IpAddr, agent: &str) -> Result<TokenHolder, NoToken> {
        let (people, now) = (self.people(), Timestamp::now());
        let token = people.token(text, now).ok_or(NoToken::Unknown)?;
        // What is in memory would be enough: the signature stands for what is not.
        jwt::verify(text, people.signing_keys().iter()).map_err(|_| NoToken::Unknown)?;
        let spec = &token.spec;
        let is_bound = spec.household.is_some_and(|own| own != household)
            || spec.agent.as_deref().is_some_and(|own| own != agent);
        // Told apart from an unknown token: a link that was passed on is a usual mistake.
        if is_bound {
            return Err(NoToken::Bound);
        }
        TokenHolder::new(Arc::clone(token), &people, now).ok_or(NoToken::Unknown)
    }

    /// All tokens that are good now, in the order in which they were made.
    pub fn all_tokens(&self) -> Vec<Arc<StreamToken>> {
        let mut tokens: Vec<_> = self.people().tokens().cloned().collect();
        tokens.sort_by_key(|token| token.id);
        tokens
    }

    /// The tokens of a maker that are good now, in the order in which they were made.
    pub fn tokens_of(&self, maker: Maker) -> Vec<Arc<StreamToken>> {
        let owner = maker.to_string();
        self.all_tokens().into_iter().filter(|token| token.owner == owner).collect()
    }
}

impl Watcher {
    /// Who makes a token that this one asks for, and of which tier; nobody by a token or a link.
    pub fn maker(&self, household: IpAddr) -> Option<(Maker, Tier)> {
        match self {
            Self::Anybody => Some((Maker::Household(household), Tier::Free)),
            Self::User(user, _) => Some((Maker::User(user.id), user.spec.tier)),
            Self::Key(key) => Some((Maker::Key(key.id), Tier::Pro)),
            Self::Token(_) | Self::Link(_) => None,
        }
    }
}

fn check_limits(made: Made, limits: Tokens, tier: Tier) -> Result<(), Refusal> {
    let day = if tier == Tier::Pro { MAX_DAY_PRO } else { MAX_DAY_FREE };
    for (count, limit, span) in [
        (made.live, limits.max_live, "at a time"),
        (made.hour, limits.max_per_hour, "in an hour"),
        (made.day, day, "in a day"),
    ] {
        if count >= limit {
            return Err(Refusal::TooManyTokens { limit, span });
        }
    }
    Ok(())
}

/// The key that signs now: the newest, or another one where that is old or there is none.
pub(super) fn signing_key(connection: &Connection, now: Timestamp) -> Result<SigningKey, Refusal> {
    let newest = stream_tokens::keys(connection)?.into_iter().next();
    if let Some(key) = newest.filter(|key| now < key.created_at + KEY_LIFETIME) {
        return Ok(key);
    }
    let key = SigningKey {
        // It only names the key; the secret beside it has the strength.
        id: Secret::short().reveal()[..8].to_owned(),
        secret: random_bytes::<32>().to_vec(),
        created_at: now,
    };
    stream_tokens::insert_key(connection, &key.id, &key.secret)?;
    // No token of an older key lives any more.
    stream_tokens::clean_keys(connection, now - KEY_LIFETIME - MAX_LIFETIME)?;
    Ok(key)
}

fn text(owner: &str, spec: &TokenSpec, key: &SigningKey, now: Timestamp, until: Timestamp) -> Secret {
    let jti = Secret::short().reveal().to_owned();
    let mut claims = jwt::Claims::new(owner, jti, now.as_second(), until.as_second());
    claims.channel.clone_from(&spec.channel);
    claims.film.clone_from(&spec.film);
    claims.group.clone_from(&spec.group);
    jwt::sign(&claims, key).expect("a key of 256 bits signs every text").into()
}
