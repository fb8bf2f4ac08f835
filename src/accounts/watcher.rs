//! Who watches, and which channels and films that one may.

use std::fmt;
use std::sync::Arc;

use forebay_relay::model::Channel;
use jiff::Timestamp;

use super::{People, Title, secret};
use crate::db::api_keys::{ApiKey, KeyId, Scope};
use crate::db::stream_tokens::StreamToken;
use crate::db::users::{User, UserId, UserSpec};

/// Who watches.
#[derive(Debug, Clone, Default)]
pub enum Watcher {
    /// Nobody knows, and nobody has to: the stream is open to whoever is there.
    #[default]
    Anybody,
    /// A user, by the stream key in the address or in any other way.
    User(Arc<User>, Proof),
    /// A program with a key.
    Key(Arc<ApiKey>),
    /// Whoever has this token.
    Token(Arc<TokenHolder>),
    /// Whoever has this signed link.
    Link(Arc<FilmLink>),
}

/// A link to a film, as whoever watches has shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilmLink {
    /// The id of the film.
    pub film: String,
    /// From when on it is good for nothing.
    pub expires_at: Timestamp,
}

/// Whoever has a token, and the user who made it, if one did: nobody may watch more by a token than
/// its maker.
#[derive(Debug, Clone)]
pub struct TokenHolder {
    /// The token.
    pub token: Arc<StreamToken>,
    maker: Option<Arc<User>>,
}

impl TokenHolder {
    /// `None` where the user who made it may do nothing any more.
    pub(super) fn new(token: Arc<StreamToken>, people: &People, now: Timestamp) -> Option<Self> {
        let maker = match user_of(&token) {
            // A token outlives nobody: when its maker is disabled, it ends too.
            Some(id) => Some(Arc::clone(people.user(id).filter(|user| user.is_active(now))?)),
            None => None,
        };
        Some(Self { token, maker })
    }

    fn may_watch<G: AsRef<str>>(&self, id: &str, groups: &[G], is_adult: bool) -> bool {
        let spec = &self.token.spec;
        let names = |wanted: &Option<String>| wanted.as_deref() == Some(id);
        let is_of_group =
            |wanted: &String| groups.iter().any(|own| own.as_ref().eq_ignore_ascii_case(wanted));
        let is_page = id.strip_prefix(Title::PAGE).is_some_and(|page| spec.page.as_deref() == Some(page));
        let is_meant = names(&spec.channel)
            || names(&spec.film)
            || is_page
            || spec.group.as_ref().is_some_and(is_of_group);
        is_meant
            && match &self.maker {
                Some(user) => (user.spec.adult || !is_adult) && is_allowed(&user.spec, id, groups),
                // A program's, or a household's, which has made it for what it may watch.
                None => true,
            }
    }
}

/// How a user was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By the stream key, which an admin can take away.
    StreamKey,
    /// By the name and the password, or as one who is signed in.
    Account,
}

/// Whose streams are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A user.
    User(UserId),
    /// A program with a key.
    Key(KeyId),
    /// All tokens of one maker, by the hash of its name.
    Tokens([u8; 32]),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(UserId(id)) => write!(f, "user:{id}"),
            Self::Key(KeyId(id)) => write!(f, "key:{id}"),
            Self::Tokens(_) => f.write_str("tokens"),
        }
    }
}

impl Watcher {
    /// Whether it may watch this channel. `adult` are the groups that are for adults.
    pub fn may_watch(&self, channel: &Channel, adult: &[String]) -> bool {
        self.may_watch_one(channel.id.base(), channel.group.as_deref().as_slice(), adult)
    }

    /// The same of the channel or the film with this id in these groups.
    pub fn may_watch_one<G: AsRef<str>>(&self, id: &str, groups: &[G], adult: &[String]) -> bool {
        let is_adult = groups.iter().any(|group| is_among(group.as_ref(), adult));
        match self {
            // Nobody knows how old somebody unknown is.
            Self::Anybody => !is_adult,
            Self::User(user, _) => (user.spec.adult || !is_adult) && is_allowed(&user.spec, id, groups),
            Self::Key(_) => true,
            Self::Token(holder) => holder.may_watch(id, groups, is_adult),
            // The operator who had it signed has decided.
            Self::Link(link) => link.film == id,
        }
    }

    /// Whether that needs no look at each channel.
    pub fn may_watch_all(&self, adult: &[String]) -> bool {
        match self {
            Self::Anybody => adult.is_empty(),
            Self::User(user, _) => {
                let UserSpec { groups, channels, .. } = &user.spec;
                groups.is_none() && channels.is_none() && (user.spec.adult || adult.is_empty())
            }
            Self::Key(_) => true,
            Self::Token(_) | Self::Link(_) => false,
        }
    }

    /// How much it matters that this one watches, where the connections of a provider are short.
    pub fn priority(&self) -> i32 {
        match self {
            Self::Anybody | Self::Key(_) | Self::Link(_) => 0,
            Self::User(user, _) => user.spec.priority,
            Self::Token(holder) => holder.maker.as_ref().map_or(0, |maker| maker.spec.priority),
        }
    }

    /// Whose streams are counted together; nobody's where nobody is known.
    pub fn owner(&self) -> Option<Owner> {
        match self {
            Self::Anybody | Self::Link(_) => None,
            Self::User(user, _) => Some(Owner::User(user.id)),
            Self::Key(key) => Some(Owner::Key(key.id)),
            Self::Token(holder) => Some(owner_of(&holder.token)),
        }
    }

    /// The same as it is by now; `None` if it may watch nothing any more.
    pub(super) fn renewed(&self, people: &People, now: Timestamp) -> Option<Self> {
        match self {
            Self::Anybody => Some(Self::Anybody),
            Self::Link(link) => (now < link.expires_at).then(|| self.clone()),
            Self::User(old, proof) => {
                let user = people.user(old.id).filter(|user| user.is_active(now))?;
                // A renewed stream key ends whoever came by the old one, and nobody who signed in.
                let is_known = *proof == Proof::Account || user.stream_key == old.stream_key;
                is_known.then(|| Self::User(Arc::clone(user), *proof))
            }
            Self::Key(old) => {
                let key = people.key_of(old.id, now).filter(|key| may_watch(key))?;
                Some(Self::Key(Arc::clone(key)))
            }
            Self::Token(old) => {
                let token = people.token_of(old.token.id).filter(|token| now < token.expires_at)?;
                TokenHolder::new(Arc::clone(token), people, now).map(|holder| Self::Token(Arc::new(holder)))
            }
        }
    }
}

/// Whose streams are counted with those of a token: all that its maker's tokens play.
fn owner_of(token: &StreamToken) -> Owner {
    Owner::Tokens(secret::hash(&token.owner))
}

/// The user who made a token, if one did.
fn user_of(token: &StreamToken) -> Option<UserId> {
    token.owner.strip_prefix("user:")?.parse().ok().map(UserId)
}

/// Whether a program with this key may watch.
pub(super) fn may_watch(key: &ApiKey) -> bool {
    key.scopes.iter().any(|scope| matches!(scope, Scope::Watch | Scope::Admin))
}

/// Lists that are absent allow everything; of two, either is enough.
fn is_allowed<G: AsRef<str>>(spec: &UserSpec, id: &str, own: &[G]) -> bool {
    let (groups, channels) = (spec.groups.as_deref(), spec.channels.as_deref());
    if groups.is_none() && channels.is_none() {
        return true;
    }
    let by_group = own.iter().any(|group| is_among(group.as_ref(), groups.unwrap_or_default()));
    // Of two lists one that is absent beside one that is there allows nothing by itself.
    by_group || channels.unwrap_or_default().iter().any(|other| other == id)
}

fn is_among(group: &str, groups: &[String]) -> bool {
    groups.iter().any(|other| other.eq_ignore_ascii_case(group))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_user_may_watch_what_the_lists_name_and_what_is_for_adults_only_where_that_is_said() {
        let text = "[[channels]]\nid = 'news'\ngroup = 'News'\nsources = ['testcard://']\n\
                    [[channels]]\nid = 'late'\ngroup = 'Late'\nsources = ['testcard://']\n\
                    [[channels]]\nid = 'other'\nsources = ['testcard://']\n";
        let config = Config::parse(text, Path::new("channels.toml")).unwrap();
        let adult = ["late".to_owned()];
        let allowed = |watcher: &Watcher| -> Vec<&str> {
            let channels = config.channels.iter().filter(|channel| watcher.may_watch(channel, &adult));
            channels.map(|channel| channel.id.as_str()).collect()
        };
        let user = |groups: Option<&[&str]>, channels: Option<&[&str]>, adult| {
            let list = |of: Option<&[&str]>| of.map(|of| of.iter().map(|&one| one.to_owned()).collect());
            let spec =
                UserSpec { groups: list(groups), channels: list(channels), adult, ..UserSpec::default() };
            let at = Timestamp::UNIX_EPOCH;
            let user = User {
                id: UserId(1),
                spec,
                password: None,
                stream_key: "k".into(),
                created_at: at,
                changed_at: at,
            };
            Watcher::User(Arc::new(user), Proof::Account)
        };
        assert_eq!(allowed(&Watcher::Anybody), ["news", "other"]);
        assert_eq!(allowed(&user(None, None, false)), ["news", "other"]);
        assert_eq!(allowed(&user(None, None, true)), ["news", "late", "other"]);
        assert_eq!(allowed(&user(Some(&["NEWS"]), None, true)), ["news"]);
        assert_eq!(allowed(&user(Some(&["News", "Late"]), None, false)), ["news"]);
        assert_eq!(allowed(&user(None, Some(&["other"]), false)), ["other"]);
        assert_eq!(allowed(&user(Some(&["News"]), Some(&["other"]), false)), ["news", "other"]);
        assert_eq!(allowed(&user(Some(&[]), None, true)), [""; 0]);
    }
}
