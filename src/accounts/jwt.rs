//! Tokens as compact JWS (RFC 7519) with HMAC and SHA-256, and nothing else: the algorithm is ours,
//! and a token that names another one, or none, is refused.

use std::sync::LazyLock;

use jsonwebtoken::errors::{Error, ErrorKind, Result};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

use crate::db::stream_tokens::SigningKey;
use crate::jws;

const ISSUER: &str = "forebay";
const AUDIENCE: &str = "stream";

/// What a token says. What counts is the row that belongs to it; this tells programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    /// Who made it.
    pub(super) sub: String,
    /// Makes each token another one.
    pub(super) jti: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) film: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
}

impl Claims {
    pub(super) fn new(sub: &str, jti: String, iat: i64, exp: i64) -> Self {
        let (iss, aud) = (ISSUER.to_owned(), AUDIENCE.to_owned());
        Self { iss, aud, sub: sub.to_owned(), jti, iat, exp, channel: None, film: None, group: None }
    }
}

/// The token that says this, signed.
pub(super) fn sign(claims: &Claims, key: &SigningKey) -> Result<String> {
    jws::install();
    let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
    encode(&header, claims, &EncodingKey::from_secret(&key.secret)?)
}

/// What a token says that one of `keys` has signed. Its end is not looked at: that of its row
/// counts.
pub(super) fn verify<'a>(token: &str, mut keys: impl Iterator<Item = &'a SigningKey>) -> Result<Claims> {
    jws::install();
    // The key is found by its name; trying all would let a stranger make us compute for each.
    let kid = decode_header(token)?.kid;
    let key = keys.find(|key| kid.as_deref() == Some(&*key.id));
    let key = key.ok_or_else(|| Error::from(ErrorKind::InvalidSignature))?;
    let decoded = decode::<Claims>(token, &DecodingKey::from_secret(&key.secret)?, &VALIDATION)?;
    Ok(decoded.claims)
}

static VALIDATION: LazyLock<Validation> = LazyLock::new(|| {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    // A refresh moves the end of the row only, so the end in the text may be over already.
    validation.validate_exp = false;
    validation
});

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jiff::Timestamp;

    use super::*;

    fn key(id: &str, byte: u8) -> SigningKey {
        SigningKey { id: id.into(), secret: vec![byte; 32], created_at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_token_is_ours_or_it_is_none() {
        let (ours, other) = (key("one", 1), key("one", 2));
        let claims = Claims::new("user:7", "j".into(), 100, 200);
        let token = sign(&claims, &ours).unwrap();
        let keys = [key("two", 3), ours.clone()];
        assert_eq!(verify(&token, keys.iter()).unwrap(), claims);

        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let [_, body, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        let changed = part(r#"{"iss":"forebay","aud":"stream","sub":"user:8","jti":"j","iat":1,"exp":9}"#);
        let elsewhere = Claims { aud: "other".into(), ..claims.clone() };
        for (case, token) in [
            ("another key", sign(&claims, &other).unwrap()),
            ("a key that there is not", sign(&claims, &key("gone", 1)).unwrap()),
            ("no algorithm", format!("{}.{body}.", part(r#"{"alg":"none","kid":"one"}"#))),
            ("another algorithm", format!("{}.{body}.{signature}", part(r#"{"alg":"HS512","kid":"one"}"#))),
            ("another audience", sign(&elsewhere, &ours).unwrap()),
            ("another body", format!("{}.{changed}.{signature}", token.split('.').next().unwrap())),
            ("a part of it", token[..token.len() - 1].to_owned()),
            ("nothing", String::new()),
        ] {
            assert!(verify(&token, keys.iter()).is_err(), "{case}");
        }
    }
}
