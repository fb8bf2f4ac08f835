//! ID tokens: signed by the provider, for us, now, and in answer to what we asked (OpenID Connect
//! Core 1.0, 3.1.3.7).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde_json::Value;

use super::Reason;
use super::claims::Claims;
use crate::accounts::secret::is_same;
use crate::jws;

/// How far the clocks of the provider and this machine may be apart, in seconds.
const LEEWAY: u64 = 60;

/// The longest subject (OpenID Connect Core 1.0, 2), in bytes.
const MAX_SUBJECT: usize = 255;

/// Values that a token must have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
}

/// The claims of a token that proves them.
pub(super) fn verify(token: &str, keys: &JwkSet, expected: Expected<'_>) -> Result<Claims, Reason> {
    jws::install();
    let header =
        decode_header(token).map_err(|_| Reason::BadToken("it is none, or its algorithm is none"))?;
    let key = DecodingKey::from_jwk(key_of(keys, &header)?);
    let key = key.map_err(|_| Reason::BadToken("its key is none"))?;
    // The algorithm of the token is safe to take: `key_of` has found a key that is for it.
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    // The library leaves it out unless it is asked for.
    validation.validate_nbf = true;
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let decoded = decode::<Claims>(token, &key, &validation);
    let claims =
        decoded.map_err(|_| Reason::BadToken("its signature, issuer, audience or time is wrong"))?.claims;
    check(&claims, expected)?;
    Ok(claims)
}

/// Checks that the library leaves out.
fn check(claims: &Claims, expected: Expected<'_>) -> Result<(), Reason> {
    let text = |name| claims.get(name).and_then(Value::as_str);
    let nonce = text("nonce").unwrap_or_default();
    if !is_same(nonce.as_bytes(), expected.nonce.as_bytes()) {
        return Err(Reason::BadToken("its nonce is another one"));
    }
    // A token for several is for the one that is named to have asked.
    let is_for_several = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
    if (is_for_several || claims.contains_key("azp")) && text("azp") != Some(expected.client_id) {
        return Err(Reason::BadToken("it was made for another client"));
    }
    if text("sub").is_none_or(|subject| subject.is_empty() || subject.len() > MAX_SUBJECT) {
        return Err(Reason::BadToken("its subject is none"));
    }
    Ok(())
}

/// The one key of the provider that can have signed it.
fn key_of<'a>(keys: &'a JwkSet, header: &Header) -> Result<&'a Jwk, Reason> {
    // Providers with a single key often give it no name.
    let is_named = |key: &&Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let mut fitting = keys.keys.iter().filter(|key| fits(key, header.alg)).filter(is_named);
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        // Trying each would accept a key that the provider meant for something else.
        (Some(_), Some(_)) => Err(Reason::BadToken("it does not say which key has signed it")),
        (None, _) => Err(Reason::BadToken("the provider has no such key, or the algorithm is none of ours")),
    }
}

/// Whether a key is for this algorithm, and for signing. A secret among them is for none.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let is_of_kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => true,
        (AlgorithmParameters::EllipticCurve(point), Algorithm::ES256) => point.curve == EllipticCurve::P256,
        _ => false,
    };
    let is_for_signing = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let named = key.common.key_algorithm.map(|algorithm| algorithm.to_string());
    is_of_kind && is_for_signing && named.is_none_or(|named| named == format!("{algorithm:?}"))
}
