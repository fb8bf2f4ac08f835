//! Digest authentication (RFC 7616): a password is shown to be known without being sent.

use std::fmt::Write as _;

use forebay_core::http_challenge::{Challenge, Hash};
use http::{HeaderMap, HeaderValue, header};
use md5::Digest as _;
use url::Origin;

use crate::net::Credentials;

/// A server's challenge, and how often it was answered.
#[derive(Debug)]
pub(super) struct Session {
    /// Where it came from: nobody else gets an answer.
    origin: Origin,
    challenge: Challenge,
    /// Ours, the same for all answers to one challenge: so a `-sess` algorithm has one session key
    /// (RFC 7616, 3.4.2).
    client_nonce: String,
    count: u32,
}

impl Session {
    /// For the best challenge in the head of a 401 that came from `origin`, if there is one that
    /// can be answered.
    pub(super) fn new(origin: Origin, headers: &HeaderMap) -> Option<Self> {
        let challenge = Challenge::best(fields(headers))?;
        Some(Self { origin, challenge, client_nonce: client_nonce()?, count: 0 })
    }

    /// Whether a request to `origin` may carry an answer.
    pub(super) fn is_for(&self, origin: &Origin) -> bool {
        self.origin == *origin
    }

    /// Whether another try makes sense after the answers to `before` were refused.
    pub(super) fn is_news(&self, before: &Self) -> bool {
        !before.is_for(&self.origin)
            || self.challenge.is_stale
            || before.challenge.nonce != self.challenge.nonce
    }

    /// The value of `Authorization` for the next request.
    pub(super) fn authorization(
        &mut self,
        credentials: &Credentials,
        method: &str,
        target: &str,
    ) -> Option<HeaderValue> {
        // The count goes into each answer as `nc`. A server takes an answer with a count it
        // has seen for a replay (RFC 7616, 3.4), so it rises even if no request goes out.
        self.count += 1;
        let answer = answer(&self.challenge, credentials, method, target, self.count, &self.client_nonce);
        let mut value = HeaderValue::from_bytes(&answer).ok()?;
        // Nothing that prints headers shows a sensitive value,
        // and the answer lets others guess the password offline.
        value.set_sensitive(true);
        Some(value)
    }
}

/// The fields with challenges.
fn fields(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::WWW_AUTHENTICATE).into_iter().map(HeaderValue::as_bytes)
}

/// 128 bits nobody can guess, as text.
fn client_nonce() -> Option<String> {
    let random = ring::rand::generate::<[u8; 16]>(&ring::rand::SystemRandom::new()).ok()?;
    Some(hex(&random.expose()))
}

/// The hash of these parts with colons between them, in hexadecimal.
fn hash_of(hash: Hash, parts: &[&[u8]]) -> String {
    let bytes = parts.join(&b':');
    match hash {
        Hash::Md5 => hex(&md5::Md5::digest(&bytes)),
        Hash::Sha256 => hex(ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The value of `Authorization` that answers a challenge for the `count`th time.
fn answer(
    challenge: &Challenge,
    Credentials { user, password }: &Credentials,
    method: &str,
    target: &str,
    count: u32,
    client_nonce: &str,
) -> Vec<u8> {
    let hash = |parts: &[&[u8]]| hash_of(challenge.hash, parts);
    let (cnonce, count) = (client_nonce.as_bytes(), format!("{count:08x}"));
    let mut secret = hash(&[user, &challenge.realm, password]);
    if challenge.is_session {
        secret = hash(&[secret.as_bytes(), &challenge.nonce, cnonce]);
    }
    let request = hash(&[method.as_bytes(), target.as_bytes()]);
    let (secret, request) = (secret.as_bytes(), request.as_bytes());
    // Without `qop` the server follows RFC 2069, where neither our count nor our nonce is part of
    // the hash.
    let response = if challenge.has_qop {
        hash(&[secret, &challenge.nonce, count.as_bytes(), cnonce, b"auth", request])
    } else {
        hash(&[secret, &challenge.nonce, request])
    };
    let mut out = b"Digest ".to_vec();
    let mut quoted = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        for &byte in value {
            // A name or realm with a quotation mark would end the
            // value early, so it is escaped (RFC 9110, 5.6.4).
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.extend_from_slice(b"\", ");
    };
    quoted("username", user);
    quoted("realm", &challenge.realm);
    quoted("nonce", &challenge.nonce);
    quoted("uri", target.as_bytes());
    if let Some(opaque) = &challenge.opaque {
        quoted("opaque", opaque);
    }
    // A `-sess` key is made with our nonce, so the server needs it even where it offers no `qop`.
    if challenge.has_qop || challenge.is_session {
        quoted("cnonce", cnonce);
    }
    quoted("response", response.as_bytes());
    // These are not quoted (RFC 7616, 3.4).
    if let Some(algorithm) = &challenge.algorithm {
        out.extend([b"algorithm=", &algorithm[..], b", "].concat());
    }
    if challenge.has_qop {
        out.extend_from_slice(format!("qop=auth, nc={count}, ").as_bytes());
    }
    // Each field ends with a comma and a blank; strict servers refuse a list that ends so.
    out.truncate(out.len() - 2);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::WWW_AUTHENTICATE, value.parse().unwrap())).collect()
    }

    fn best(values: &[&str]) -> Option<Challenge> {
        Challenge::best(values.iter().map(|value| value.as_bytes()))
    }

    /// RFC 7616, 3.9.1: both of its answers.
    #[test]
    fn the_example_of_the_standard() {
        let credentials = Credentials { user: b"Mufasa".to_vec(), password: b"Circle of Life".to_vec() };
        let rest = r#"realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let challenge = best(&[&format!("Digest {rest}, algorithm={algorithm}")]).unwrap();
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let answer = answer(&challenge, &credentials, "GET", "/dir/index.html", 1, cnonce);
            let answer = String::from_utf8(answer).unwrap();
            for part in [
                "Digest username=\"Mufasa\", ",
                "uri=\"/dir/index.html\", ",
                &format!("algorithm={algorithm}, "),
                "qop=auth, nc=00000001",
                &format!("response=\"{response}\""),
                "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            ] {
                assert!(answer.contains(part), "{part}: {answer}");
            }
        }
    }

    /// RFC 2069 has neither `qop` nor a count; the numbers are those of its errata.
    #[test]
    fn the_older_form_without_qop() {
        let challenge = best(&[
            r#"Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="x""#,
        ]);
        let credentials = Credentials { user: b"Mufasa".to_vec(), password: b"CircleOfLife".to_vec() };
        let answer = answer(&challenge.unwrap(), &credentials, "GET", "/dir/index.html", 1, "c");
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.ends_with("response=\"1949323746fe6a43ef61f9606e7febea\""), "{answer}");
    }

    #[test]
    fn a_new_nonce_is_worth_another_try_and_the_old_one_is_not() {
        let origin = || url::Url::parse("http://h/").unwrap().origin();
        let session = |text: &str| Session::new(origin(), &headers(&[text])).unwrap();
        let first = session("Digest realm=r, nonce=1");
        assert!(!session("Digest realm=r, nonce=1").is_news(&first), "the password is wrong");
        assert!(session("Digest realm=r, nonce=2").is_news(&first));
        assert!(session("Digest realm=r, nonce=1, stale=TRUE").is_news(&first));
    }
}
