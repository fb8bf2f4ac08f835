//! Signed links to films: whoever has one watches that film until some time, and nothing else.
//!
//! Nothing of a link is kept. It says until when it is good, and its signature stands for the rest:
//! the film and, if it is for one household only, that. The keys are those of tokens of streams.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::hmac;

use super::secret::Secret;
use super::tokens::{MAX_LIFETIME, signing_key};
use super::watcher::FilmLink;
use super::{Accounts, Refusal};
use crate::db::stream_tokens::SigningKey;

/// A link that was signed: the film by it, and what stands in its address.
#[derive(Debug)]
pub struct SignedLink {
    /// The link.
    pub link: FilmLink,
    /// `{expiry}.{signature}`: the former in seconds since 1970, the latter as base64url.
    pub text: Secret,
}

/// Why a link is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLink {
    /// It was not signed here for this film and this household.
    Unknown,
    /// It was, and its time is over.
    Over,
}

impl Accounts {
    /// The longest time for which a link is good: its key is kept for so long.
    pub const MAX_LINK_LIFETIME: Duration = MAX_LIFETIME;

    /// Signs a link to a film for so long, at most [`Self::MAX_LINK_LIFETIME`]; for one household
    /// only, if that is said.
    pub async fn sign_link(
        &self,
        film: &str,
        lifetime: Duration,
        household: Option<IpAddr>,
    ) -> Result<SignedLink, Refusal> {
        let now = Timestamp::now();
        let key = self.database().write(move |connection: &_| signing_key(connection, now)).await?;
        self.refresh().await?;
        // Whole seconds, since that is what the text has: a part of one would break the signature.
        let seconds = (now + lifetime.min(Self::MAX_LINK_LIFETIME)).as_second();
        let expires_at = Timestamp::from_second(seconds).expect("a day from now is a time");
        let link = FilmLink { film: film.to_owned(), expires_at };
        let text = text(&key, &link, household);
        Ok(SignedLink { link, text })
    }

    /// The link to this film whose text this is, for one of this household.
    pub fn link(&self, text: &str, film: &str, household: IpAddr) -> Result<FilmLink, NoLink> {
        read(self.people().signing_keys(), text, film, household, Timestamp::now())
    }
}

fn text(key: &SigningKey, link: &FilmLink, household: Option<IpAddr>) -> Secret {
    let seconds = link.expires_at.as_second();
    let tag = hmac::sign(&mac_key(key), message(&link.film, seconds, household).as_bytes());
    format!("{seconds}.{}", URL_SAFE_NO_PAD.encode(tag)).into()
}

fn read(
    keys: &[SigningKey],
    text: &str,
    film: &str,
    household: IpAddr,
    now: Timestamp,
) -> Result<FilmLink, NoLink> {
    let (seconds, signature) = parts(text).ok_or(NoLink::Unknown)?;
    let is_signed = |household| {
        let message = message(film, seconds, household);
        keys.iter().any(|key| hmac::verify(&mac_key(key), message.as_bytes(), &signature).is_ok())
    };
    // The text does not say for whom it was signed, so both are tried.
    if !is_signed(None) && !is_signed(Some(household)) {
        return Err(NoLink::Unknown);
    }
    let expires_at = Timestamp::from_second(seconds).map_err(|_| NoLink::Unknown)?;
    // Behind the signature: only whoever has a real link is told that its time is over.
    if expires_at <= now {
        return Err(NoLink::Over);
    }
    Ok(FilmLink { film: film.to_owned(), expires_at })
}

/// The time and the signature in a text, if each is written in the one way that there is.
fn parts(text: &str) -> Option<(i64, Vec<u8>)> {
    let (expiry, signature) = text.split_once('.')?;
    let seconds: i64 = expiry.parse().ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    // `+5` and `05` are the same number: one link must not have several texts.
    (seconds.to_string() == expiry).then_some((seconds, signature))
}

/// What is signed. No token is: those are two words of base64url with a dot between them.
fn message(film: &str, seconds: i64, household: Option<IpAddr>) -> String {
    let household = household.map_or_else(String::new, |address| address.to_string());
    format!("film link\n{film}\n{seconds}\n{household}")
}

fn mac_key(key: &SigningKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &key.secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILM: &str = "0188f5e0-7b1c-4d2e-9a3f-00112233aaff";
    const OTHER: &str = "0188f5e0-7b1c-4d2e-9a3f-00112233aafe";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn key(byte: u8) -> SigningKey {
        SigningKey { id: "one".into(), secret: vec![byte; 32], created_at: at(0) }
    }

    fn link() -> FilmLink {
        FilmLink { film: FILM.into(), expires_at: at(2_000_000_000) }
    }

    #[test]
    fn a_link_is_good_for_what_was_signed_and_nothing_else() {
        let (keys, now) = ([key(2), key(1)], at(1_999_999_999));
        let [here, there]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let open = text(&key(1), &link(), None);
        let bound = text(&key(1), &link(), Some(here));
        let (open, bound) = (open.reveal(), bound.reveal());
        for (case, text, film, household, now, expected) in [
            ("good", open, FILM, here, now, Ok(link())),
            ("good anywhere", open, FILM, there, now, Ok(link())),
            ("good at home", bound, FILM, here, now, Ok(link())),
            ("another household", bound, FILM, there, now, Err(NoLink::Unknown)),
            ("another film", open, OTHER, here, now, Err(NoLink::Unknown)),
            ("over", open, FILM, here, at(2_000_000_000), Err(NoLink::Over)),
            ("over at home", bound, FILM, here, at(2_100_000_000), Err(NoLink::Over)),
        ] {
            assert_eq!(read(&keys, text, film, household, now), expected, "{case}");
        }
        assert_eq!(read(&[key(2)], open, FILM, here, now), Err(NoLink::Unknown), "the key is gone");
        assert_eq!(read(&[], open, FILM, here, now), Err(NoLink::Unknown), "there is no key");
    }

    #[test]
    fn no_byte_of_a_link_can_be_changed_left_out_or_put_in() {
        let (keys, now) = ([key(1)], at(0));
        let here = "10.0.0.1".parse().unwrap();
        let signed = text(&key(1), &link(), None);
        let signed = signed.reveal().as_bytes();
        let read = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).unwrap();
            read(&keys, text, FILM, here, now)
        };
        assert_eq!(read(signed), Ok(link()));
        for at in 0..signed.len() {
            for byte in (0..=127).filter(|byte| *byte != signed[at]) {
                let mut changed = signed.to_vec();
                changed[at] = byte;
                assert_eq!(read(&changed), Err(NoLink::Unknown), "{byte} at {at}");
            }
            for byte in 0..=127 {
                let longer = [&signed[..at], &[byte], &signed[at..]].concat();
                assert_eq!(read(&longer), Err(NoLink::Unknown), "{byte} before {at}");
            }
            assert_eq!(read(&signed[..at]), Err(NoLink::Unknown), "cut at {at}");
            assert_eq!(
                read(&[&signed[..at], &signed[at + 1..]].concat()),
                Err(NoLink::Unknown),
                "{at} left out"
            );
        }
        assert_eq!(read(&[signed, b"="].concat()), Err(NoLink::Unknown));
        assert_eq!(read(&[b"+", signed].concat()), Err(NoLink::Unknown));
    }
}
