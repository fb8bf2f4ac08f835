//! Challenges to show a password (`WWW-Authenticate`, RFC 9110, 11.6.1), as servers really write
//! them: which of those for Digest (RFC 7616) can be answered best.

/// Challenges that are read of one answer.
const MAX_CHALLENGES: usize = 16;

/// With what an answer is hashed, the better one last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// MD5 (RFC 1321).
    Md5,
    /// SHA-256 (RFC 6234).
    Sha256,
}

/// A challenge that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// For what the password is.
    pub realm: Vec<u8>,
    /// The server's nonce.
    pub nonce: Vec<u8>,
    /// What is to be sent back as it is.
    pub opaque: Option<Vec<u8>>,
    /// As it was written; MD5 where nothing was.
    pub algorithm: Option<Vec<u8>>,
    /// The hash of `algorithm`.
    pub hash: Hash,
    /// Whether it has a key for the session (`-sess`).
    pub is_session: bool,
    /// Whether `qop=auth` is offered; without any `qop`, it is as in RFC 2069.
    pub has_qop: bool,
    /// Whether only the nonce of the answer before was wrong.
    pub is_stale: bool,
}

impl Challenge {
    /// Of all challenges in these fields that can be answered, the first one with the best hash.
    pub fn best<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let found = fields.into_iter().flat_map(challenges).take(MAX_CHALLENGES);
        let answerable = found.filter_map(|parameters| Self::read(&parameters));
        answerable.reduce(|best, next| if next.hash > best.hash { next } else { best })
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
}

type Parameter<'a> = (&'a [u8], Vec<u8>);

/// The parameters of each Digest challenge in one field, which may hold others besides (RFC 9110,
/// 11.6.1).
fn challenges(field: &[u8]) -> Vec<Vec<Parameter<'_>>> {
    let mut found: Vec<Vec<Parameter<'_>>> = Vec::new();
    let mut is_digest = false;
    for item in items(field) {
        let name_end = item.iter().position(|&byte| byte == b'=' || byte == b' ').unwrap_or(item.len());
        // A scheme stands before a blank, or alone; some put blanks around the equals sign, too.
        let rest = item[name_end..].trim_ascii_start();
        let parameter = if rest.starts_with(b"=") {
            item
        } else {
            is_digest = item[..name_end].eq_ignore_ascii_case(b"Digest");
            if is_digest {
                found.push(Vec::new());
            }
            rest
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

    fn best(fields: &[&str]) -> Option<Challenge> {
        Challenge::best(fields.iter().map(|field| field.as_bytes()))
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
            (&[r#"Digest realm = "r" , nonce= "1",qop ="auth""#], Some((Hash::Md5, false, nonce("1")))),
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
}
