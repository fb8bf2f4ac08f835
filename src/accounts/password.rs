//! Passwords: argon2id, a few at a time.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use ring::hmac;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::secret::random_bytes;
use crate::db::users::UserId;

/// Passwords that are looked at at the same time: each takes 19 MiB and some tens of milliseconds.
const MAX_AT_ONCE: usize = 2;

/// Passwords that wait for that. Whoever comes then is told to come back later.
const MAX_WAITING: usize = 64;

/// The longest password, in bytes: nobody types more.
pub(super) const MAX_LENGTH: usize = 256;

/// The shortest, in characters (NIST SP 800-63B, section 5.1.1.1).
pub(super) const MIN_LENGTH: usize = 8;

/// A hash of what nobody knows, so that a name that there is not takes as long as one that there
/// is.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hash_now("nobody's password"));

/// Looks at passwords.
#[derive(Debug)]
pub(super) struct Passwords {
    places: Arc<Semaphore>,
    waiting: Semaphore,
    /// Keyed anew in each process, so that what is remembered is worth nothing elsewhere.
    key: hmac::Key,
    /// The password that a user was last known by, as a MAC with its hash: a player sends it with
    /// each request.
    proven: Mutex<HashMap<UserId, hmac::Tag>>,
}

/// There are too many who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

impl Passwords {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MAX_AT_ONCE)),
            waiting: Semaphore::new(MAX_WAITING),
            key: hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>()),
            proven: Mutex::default(),
        }
    }

    /// Whether this is the user's password. `known` is the user and the hash, where there are any.
    pub(super) async fn verify(
        self: &Arc<Self>,
        known: Option<(UserId, &str)>,
        password: &str,
    ) -> Result<bool, Busy> {
        // Before any hashing: argon2 would read a password of megabytes in full.
        if password.len() > MAX_LENGTH {
            return Ok(false);
        }
        if let Some((user, hash)) = known
            // Players send the password with each request, and
            // argon2 takes tens of milliseconds each time.
            && self.is_proven(user, hash, password)
        {
            return Ok(true);
        }
        // Never waited for: a queue without an end would hold the memory of all who try.
        let Ok(_waiting) = self.waiting.try_acquire() else { return Err(Busy) };
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return Err(Busy) };
        let hash = known.map_or_else(|| NOBODYS.clone(), |(_, hash)| hash.to_owned());
        let typed = password.to_owned();
        // The place goes with the work, which goes on when whoever asked has hung up.
        let work = move || {
            let _place = place;
            is_right(&hash, &typed)
        };
        let is_right = spawn_blocking(work).await.unwrap_or(false);
        let Some((user, hash)) = known.filter(|_| is_right) else { return Ok(false) };
        // Only right passwords are remembered, so there
        // is one for each user and no limit is needed.
        let tag = hmac::sign(&self.key, message(hash, password).as_bytes());
        self.proven().insert(user, tag);
        Ok(true)
    }

    /// Whether it is, and was verified before.
    pub(super) fn is_proven(&self, user: UserId, hash: &str, password: &str) -> bool {
        let Some(tag) = self.proven().get(&user).copied() else { return false };
        hmac::verify(&self.key, message(hash, password).as_bytes(), tag.as_ref()).is_ok()
    }

    /// Forgets users who are gone.
    pub(super) fn keep(&self, is_there: impl Fn(UserId) -> bool) {
        self.proven().retain(|user, _| is_there(*user));
    }

    fn proven(&self) -> MutexGuard<'_, HashMap<UserId, hmac::Tag>> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another password has another hash, so what was proven by the old one is not any more.
fn message(hash: &str, password: &str) -> String {
    format!("{hash}\0{password}")
}

/// The hash of a password, on a thread that may take its time.
pub(super) async fn hash(password: String) -> String {
    static PLACES: Semaphore = Semaphore::const_new(MAX_AT_ONCE);
    let place = PLACES.acquire().await.expect("it is never closed");
    let work = move || {
        let _place = place;
        hash_now(&password)
    };
    let hash = spawn_blocking(work).await;
    hash.expect("hashing does not panic")
}

/// The same here and now.
pub(super) fn hash_now(password: &str) -> String {
    // What OWASP asks for at least is the default: 19 MiB, two passes, one lane.
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &random_bytes::<16>());
    hash.expect("the parameters are right").to_string()
}

fn is_right(hash: &str, password: &str) -> bool {
    PasswordHash::new(hash)
        // The parameters stand in the hash, so hashes of earlier settings still verify.
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// What is wrong with a password that somebody wants to have.
pub(super) fn fault(password: &str) -> Option<String> {
    // Characters, as people count; the upper limit is in bytes, as memory counts.
    if password.chars().count() < MIN_LENGTH {
        return Some(format!("it is to have {MIN_LENGTH} characters at least"));
    }
    (password.len() > MAX_LENGTH).then(|| format!("it is to have {MAX_LENGTH} bytes at most"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_or_wrong_and_another_hash_forgets_what_was_proven() {
        let passwords = Arc::new(Passwords::new());
        let old = hash("correct horse".into()).await;
        assert!(old.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{old}");
        let ann = UserId(1);
        let mut table = vec![("correct horse", true), ("wrong horse", false), ("", false)];
        table.push(("correct horse", true));
        for (password, is_right) in table {
            assert_eq!(passwords.verify(Some((ann, &old)), password).await, Ok(is_right), "{password}");
        }
        assert!(passwords.is_proven(ann, &old, "correct horse"));
        assert!(!passwords.is_proven(ann, &old, "wrong horse"));
        let new = hash("another horse".into()).await;
        assert!(!passwords.is_proven(ann, &new, "correct horse"));
        assert_eq!(passwords.verify(None, "correct horse").await, Ok(false));
        passwords.keep(|_| false);
        assert!(!passwords.is_proven(ann, &old, "correct horse"));
    }

    #[test]
    fn a_password_has_a_length() {
        assert_eq!(fault("eight ch"), None);
        assert!(fault("seven c").is_some() && fault(&"x".repeat(257)).is_some());
    }
}
