//! The provider: what it says of itself, and what it is asked.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use forebay_relay::error::reason;
use forebay_relay::net::trust::read_roots;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::Reason;
use super::claims::{Claims, is_enough};
use super::flows::Flow;
use super::id_token::{Expected, verify};
use crate::accounts::secret::{Secret, hash};
use crate::config::oidc::{Oidc as Config, is_secure};
use crate::exchange::Client;

/// Where a provider says what it is (OpenID Connect Discovery 1.0, 4).
const DOCUMENT: &str = "/.well-known/openid-configuration";

/// The provider, as it was a moment ago. It is asked at each signing in, which is seldom: so new
/// keys and addresses need no word about how long old ones are good.
#[derive(Debug)]
pub(super) struct Issuer {
    client: Client,
    document: Document,
}

/// What a provider says of itself; the rest is of no use here.
#[derive(Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Endpoint,
    token_endpoint: Endpoint,
    jwks_uri: Endpoint,
    userinfo_endpoint: Option<Endpoint>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// An address that is safe to talk to.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Endpoint(Url);

impl TryFrom<String> for Endpoint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let url = Url::parse(&text).ok().filter(is_secure);
        url.map(Self).ok_or("an address of the provider is not https")
    }
}

/// What a code is exchanged for.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

/// The keys of a provider, some of which may be of kinds that came after this program.
#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

impl Keys {
    fn known(self) -> JwkSet {
        JwkSet { keys: self.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect() }
    }
}

impl Issuer {
    /// Asks the provider what it is.
    pub(super) async fn discover(config: &Config) -> Result<Self, Reason> {
        let root = config.root.clone();
        // Reads files, and looks through the roots of the system.
        let make = tokio::task::spawn_blocking(move || {
            let roots = root.map(|path| read_roots(&path)).transpose()?;
            Ok::<_, String>(Client::new(roots.unwrap_or_default()))
        });
        let client = make.await.map_err(|_| Reason::unreachable("the server stops"))?;
        let client = client.map_err(Reason::Unreachable)?;
        let url = format!("{}{DOCUMENT}", config.issuer.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|error| Reason::unreachable(error.to_string()))?;
        let document: Document = get(&client, &url, HeaderMap::new()).await?;
        // Whoever answers in the name of another one could have its tokens taken for ours.
        if document.issuer != config.issuer {
            return Err(Reason::unreachable("its issuer is not oidc.issuer, letter by letter"));
        }
        Ok(Self { client, document })
    }

    /// Where somebody signs in for this flow.
    pub(super) fn authorization_url(&self, config: &Config, flow: &Flow) -> Url {
        let mut url = self.document.authorization_endpoint.0.clone();
        let challenge = URL_SAFE_NO_PAD.encode(hash(flow.verifier.reveal()));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &config.client_id)
            .append_pair("redirect_uri", flow.redirect.as_str())
            .append_pair("scope", &config.scopes.join(" "))
            .append_pair("state", flow.state.reveal())
            .append_pair("nonce", flow.nonce.reveal())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        url
    }

    /// Whether this one has sent the answer (RFC 9207).
    pub(super) fn check_sender(&self, named: Option<&str>) -> Result<(), Reason> {
        let is_right = match named {
            // Against mix-up attacks: the code of one provider must not be shown to another.
            Some(named) => named == self.document.issuer,
            None => !self.document.authorization_response_iss_parameter_supported,
        };
        if is_right { Ok(()) } else { Err(Reason::OtherSender) }
    }

    /// What the provider says of whoever has got this code.
    pub(super) async fn claims(&self, config: &Config, flow: &Flow, code: &str) -> Result<Claims, Reason> {
        let Tokens { id_token, access_token } = self.exchange(config, flow, code).await?;
        let keys: Keys = get(&self.client, &self.document.jwks_uri.0, HeaderMap::new()).await?;
        let expected = Expected {
            issuer: &self.document.issuer,
            client_id: &config.client_id,
            nonce: flow.nonce.reveal(),
        };
        let mut claims = verify(&id_token, &keys.known(), expected)?;
        // Many providers keep their tokens short.
        if !is_enough(config, &claims)
            && let Some((Endpoint(url), token)) = self.document.userinfo_endpoint.as_ref().zip(access_token)
        {
            let more: Claims = get(&self.client, url, bearer(&token)?).await?;
            if more.get("sub") != claims.get("sub") {
                return Err(Reason::BadToken("the provider tells of somebody else"));
            }
            // What is signed wins.
            more.into_iter().for_each(|(name, value)| {
                claims.entry(name).or_insert(value);
            });
        }
        Ok(claims)
    }

    /// Shows the code, and who asks (OpenID Connect Core 1.0, 3.1.3.1).
    async fn exchange(&self, config: &Config, flow: &Flow, code: &str) -> Result<Tokens, Reason> {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let mut fields = HeaderMap::from_iter([(header::CONTENT_TYPE, form), accepts_json()]);
        let secret = client_secret(config).await?;
        let mut body = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", flow.redirect.as_str()),
            ("code_verifier", flow.verifier.reveal()),
        ];
        match &secret {
            // Never both: a request with two ways to authenticate is refused (RFC 6749, 2.3).
            Some(secret) if self.takes_basic() => {
                fields.insert(header::AUTHORIZATION, basic(&config.client_id, secret));
            }
            secret => {
                body.push(("client_id", &config.client_id));
                body.extend(secret.as_ref().map(|secret| ("client_secret", secret.reveal())));
            }
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(body).finish();
        let url = &self.document.token_endpoint.0;
        let answer = self.client.send(Method::POST, url, fields, Bytes::from(body)).await?;
        if answer.status() != StatusCode::OK {
            return Err(Reason::NoToken(answer.status().as_u16()));
        }
        read(answer.body())
    }

    /// The usual way, unless the provider names others only.
    fn takes_basic(&self) -> bool {
        let ways = &self.document.token_endpoint_auth_methods_supported;
        // Without a word, Basic is the way (OpenID Connect Discovery 1.0, 3).
        ways.is_empty() || ways.iter().any(|way| way == "client_secret_basic")
    }
}

async fn client_secret(config: &Config) -> Result<Option<Secret>, Reason> {
    let Some(path) = &config.client_secret_file else { return Ok(None) };
    // Read at each signing in: an operator who renews the secret needs no restart.
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|error| Reason::NoSecret(reason(&error)))?;
    Ok(Some(Secret::from(text.trim().to_owned())))
}

/// Both are encoded as in a form before (RFC 6749, 2.3.1).
fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret.reveal())));
    let mut value = HeaderValue::try_from(format!("Basic {pair}")).expect("base64 is plain ASCII");
    value.set_sensitive(true);
    value
}

fn bearer(token: &str) -> Result<HeaderMap, Reason> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| Reason::unreachable("its access token is none"))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
}

fn accepts_json() -> (HeaderName, HeaderValue) {
    (header::ACCEPT, HeaderValue::from_static("application/json"))
}

/// A document of the provider.
async fn get<T: DeserializeOwned>(client: &Client, url: &Url, mut fields: HeaderMap) -> Result<T, Reason> {
    fields.extend([accepts_json()]);
    let answer = client.send(Method::GET, url, fields, Bytes::new()).await?;
    if answer.status() != StatusCode::OK {
        return Err(Reason::Unreachable(format!("it answers with status {}", answer.status().as_u16())));
    }
    read(answer.body())
}

/// The words of the reader could hold what is in the answer.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Reason> {
    serde_json::from_slice(body).map_err(|_| Reason::unreachable("its answer is not as the standard says"))
}
