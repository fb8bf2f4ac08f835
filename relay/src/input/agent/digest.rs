//! Digest authentication (RFC 7616): a password is shown to be known without being sent.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, header};
use md5::Digest as _;
use url::Origin;

use crate::net::Credentials;

/// Challenges that are read of one answer.
const MAX_CHALLENGES: usize = 16;

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
        let challenge = Challenge::best(headers)?;
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
        self.count += 1;
        let answer = self.challenge.answer(credentials, method, target, self.count, &self.client_nonce);
        let mut value = HeaderValue::from_bytes(&answer).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// 128 bits nobody can guess, as text.
fn client_nonce() -> Option<String> {
    let random = ring::rand::generate::<[u8; 16]>(&ring::rand::SystemRandom::new()).ok()?;
    Some(hex(&random.expose()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hash {
    Md5,
    Sha256,
}

impl Hash {
    /// The hash of these parts with colons between them, in hexadecimal.
    fn of(self, parts: &[&[u8]]) -> String {
        let bytes = parts.join(&b':');
        match self {
            Self::Md5 => hex(&md5::Md5::digest(&bytes)),
            Self::Sha256 => hex(ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    /// As it was written; MD5 where nothing was.
    algorithm: Option<Vec<u8>>,
    hash: Hash,
    is_session: bool,
    /// Whether `qop=auth` is offered; without any `qop`, it is as in RFC 2069.
    has_qop: bool,
    is_stale: bool,
}

impl Challenge {
    /// Of all challenges that can be answered, the first one with the best hash.
    fn best(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::WWW_AUTHENTICATE).into_iter().map(HeaderValue::as_bytes);
        let challenges =
            values.flat_map(challenges).take(MAX_CHALLENGES).filter_map(|parameters| Self::read(&parameters));
        challenges.reduce(|best, next| if next.hash > best.hash { next } else { best })
    }

    fn read(parameters: &[Parameter<'_>]) -> Option<Self> {
        let get = |name: &str| {
            let found = parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
            found.map(|(_, value)| value.clone())
        };
        let algorithm = get("algorithm");
        let (hash, is_session) = match algorithm.as_deref().map(<[u8]>::to_ascii_lowercase).as_deref() {
            None | Some(b"md5") => (Hash::Md5, false),
            Some(b"md5-sess") => (Hash::Md5, true),
            Some(b"sha-256") => (Hash::Sha256, false),
            Some(b"sha-256-sess") => (Hash::Sha256, true),
            Some(_) => return None,
        };
        let qop = get("qop");
        let has_auth = |qop: &Vec<u8>| {
            qop.split(|&byte| byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(b"auth"))
        };
        if qop.as_ref().is_some_and(|qop| !has_auth(qop)) {
            return None;
        }
        Some(Self {
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            algorithm,
            hash,
            is_session,
            has_qop: qop.is_some(),
            is_stale: get("stale").is_some_and(|value| value.eq_ignore_ascii_case(b"true")),
        })
    }

    fn answer(
        &self,
        Credentials { user, password }: &Credentials,
        method: &str,
        target: &str,
        count: u32,
        client_nonce: &str,
    ) -> Vec<u8> {
        let hash = self.hash;
        let (cnonce, count) = (client_nonce.as_bytes(), format!("{count:08x}"));
        let mut secret = hash.of(&[user, &self.realm, password]);
        if self.is_session {
            secret = hash.of(&[secret.as_bytes(), &self.nonce, cnonce]);
        }
        let request = hash.of(&[method.as_bytes(), target.as_bytes()]);
        let (secret, request) = (secret.as_bytes(), request.as_bytes());
        let response = if self.has_qop {
            hash.of(&[secret, &self.nonce, count.as_bytes(), cnonce, b"auth", request])
        } else {
            hash.of(&[secret, &self.nonce, request])
        };
        let mut out = b"Digest ".to_vec();
        let mut quoted = |name: &str, value: &[u8]| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"=\"");
            for &byte in value {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            out.extend_from_slice(b"\", ");
        };
        quoted("username", user);
        quoted("realm", &self.realm);
        quoted("nonce", &self.nonce);
        quoted("uri", target.as_bytes());
        if let Some(opaque) = &self.opaque {
            quoted("opaque", opaque);
        }
        if self.has_qop || self.is_session {
            quoted("cnonce", cnonce);
        }
        quoted("response", response.as_bytes());
        // These are not quoted (RFC 7616, 3.4).
        if let Some(algorithm) = &self.algorithm {
            out.extend([b"algorithm=", &algorithm[..], b", "].concat());
        }
        if self.has_qop {
            out.extend_from_slice(format!("qop=auth, nc={count}, ").as_bytes());
        }
        out.truncate(out.len() - 2);
        out
    }
}

type Parameter<'a> = (&'a [u8], Vec<u8>);

/// The parameters of each Digest challenge in one field, which may hold others besides (RFC 9110,
/// 11.6.1).
fn challenges(field: &[u8]) -> Vec<Vec<Parameter<'_>>> {
    let mut found: Vec<Vec<Parameter<'_>>> = Vec::new();
    let mut is_digest = false;
    for item in items(field) {
        let name_end = item.iter().position(|&byte| byte == b'=' || byte == b' ').unwrap_or(item.len());
        // A scheme stands before a blank, or alone.
        let parameter = if item.get(name_end) == Some(&b'=') {
            item
        } else {
            is_digest = item[..name_end].eq_ignore_ascii_case(b"Digest");
            if is_digest {
                found.push(Vec::new());
            }
            item[name_end..].trim_ascii_start()
        };
        let Some(at) = parameter.iter().position(|&byte| byte == b'=') else { continue };
        if let Some(parameters) = found.last_mut().filter(|_| is_digest) {
            parameters.push((parameter[..at].trim_ascii(), unquoted(parameter[at + 1..].trim_ascii())));
        }
    }
    found
}

/// The members of a list, between commas that are not quoted.
fn items(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    field
        .split(move |&byte| {
            let is_border = byte == b',' && !is_quoted;
            is_quoted ^= byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && is_quoted && !is_escaped;
            is_border
        })
        .map(<[u8]>::trim_ascii)
}

fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inside) = value.strip_prefix(b"\"").map(|rest| rest.strip_suffix(b"\"").unwrap_or(rest)) else {
        return value.to_vec();
    };
    let mut is_escaped = false;
    let bytes = inside.iter().copied().filter(|&byte| {
        is_escaped = byte == b'\\' && !is_escaped;
        !is_escaped
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::WWW_AUTHENTICATE, value.parse().unwrap())).collect()
    }

    fn best(values: &[&str]) -> Option<Challenge> {
        Challenge::best(&headers(values))
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
            let answer = challenge.answer(&credentials, "GET", "/dir/index.html", 1, cnonce);
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
        let answer = challenge.unwrap().answer(&credentials, "GET", "/dir/index.html", 1, "c");
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.ends_with("response=\"1949323746fe6a43ef61f9606e7febea\""), "{answer}");
    }

    #[test]
    fn challenges_are_found_among_others() {
        let found = |values: &[&str]| {
            best(values).map(|challenge| (challenge.hash, challenge.is_session, challenge.nonce))
        };
        let nonce = |text: &str| text.as_bytes().to_vec();
        for (values, expected) in [
            (
                &[r#"Basic realm="a, b", Digest realm="r", nonce="1""#][..],
                Some((Hash::Md5, false, nonce("1"))),
            ),
            (&["digest REALM=r,NONCE=1 , algorithm=md5-SESS"], Some((Hash::Md5, true, nonce("1")))),
            (
                &[r#"Digest realm="r", nonce="1""#, r#"Digest realm="r", nonce="2", algorithm=SHA-256"#],
                Some((Hash::Sha256, false, nonce("2"))),
            ),
            (
                &[r#"Negotiate, Digest realm="q\"uote, d", nonce="1\\", qop="auth-int,auth", Basic realm=x"#],
                Some((Hash::Md5, false, nonce("1\\"))),
            ),
            (&[r#"Digest realm="r", nonce="1", qop="auth-int""#], None),
            (&[r#"Digest realm="r", nonce="1", algorithm=SHA-512-256"#], None),
            (&[r#"Digest realm="r""#, "Digest", "Basic realm=r, nonce=1", ""], None),
        ] {
            assert_eq!(found(values), expected, "{values:?}");
        }
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
