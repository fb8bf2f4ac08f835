//! A provider of identities (OpenID Connect) that lies on request.
//!
//! Whoever comes is Ann, and is let in at once: its page for signing in leads back without a word.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::form_urlencoded;

/// The client that it knows, and its secret.
pub const CLIENT: (&str, &str) = ("forebay", "s3cret of the client");

/// The id of its key.
const KEY: &str = "one";

/// In what it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lie {
    /// In nothing.
    #[default]
    None,
    /// The ID token answers another request.
    Nonce,
    /// The ID token is not signed, and says so.
    AlgNone,
    /// The ID token is signed with a key that it has not told of, under the name of one that it
    /// has.
    OtherKey,
    /// The ID token is signed with its public key as a secret, which everybody knows.
    PublicKeyAsSecret,
    /// The ID token is over since two minutes.
    Expired,
    /// The ID token begins to be good in an hour.
    NotYet,
    /// The ID token is for another client.
    Audience,
    /// The ID token is for this client and another one, which has asked.
    AuthorizedParty,
    /// The ID token is another provider's.
    Issuer,
    /// The ID token is of nobody.
    NoSubject,
    /// What it says of itself is of another provider.
    Discovery,
    /// The answer to the browser is another provider's (RFC 9207).
    Sender,
    /// It leads somewhere else to exchange the code, and not over TLS.
    PlainEndpoint,
    /// It tells more of somebody else.
    UserInfo,
    /// It does not let anybody in.
    Denies,
    /// What it says of itself is no JSON.
    Garbage,
}

/// A running provider; it stops when it is dropped.
#[derive(Debug)]
pub struct IdentityProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    issuer: String,
    key: EcdsaKeyPair,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lie: Lie,
    /// What it says of Ann, in the ID token.
    claims: Map<String, Value>,
    /// What it tells besides whoever has an access token.
    user_info: Map<String, Value>,
    /// The codes that nobody has exchanged yet, each with what the request for it said.
    codes: HashMap<String, HashMap<String, String>>,
    /// How many codes it has given.
    given: usize,
}

impl IdentityProvider {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            issuer: format!("http://{address}"),
            key: new_key(),
            state: Mutex::new(State {
                lie: Lie::None,
                claims: object(json!({ "preferred_username": "ann", "groups": ["tv-admins"] })),
                user_info: Map::new(),
                codes: HashMap::new(),
                given: 0,
            }),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _tasks: tasks }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name.
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// Lies from now on, or lies no more.
    pub fn lie(&self, lie: Lie) {
        self.shared.state().lie = lie;
    }

    /// Says this of Ann from now on: in the ID token, and to whoever has an access token.
    pub fn say(&self, claims: Value, user_info: Value) {
        let mut state = self.shared.state();
        (state.claims, state.user_info) = (object(claims), object(user_info));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_key() -> EcdsaKeyPair {
    let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key can be made");
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("it is a key")
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("claims are an object, and not {other}"),
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

/// What it answers: a status, header fields, and a body.
type Answer = (&'static str, String, String);

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    let Some((first, fields, body)) = read(&mut stream).await else { return };
    let target = first.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let lie = shared.state().lie;
    let (status, more, body) = match path {
        "/.well-known/openid-configuration" if lie == Lie::Garbage => ("200 OK", String::new(), "{".into()),
        "/.well-known/openid-configuration" => document(&shared, lie),
        "/keys" => keys(&shared),
        "/authorize" => authorize(&shared, lie, pairs(query)),
        "/token" => token(&shared, lie, &fields, &pairs(&body)),
        "/userinfo" => user_info(&shared, lie, &fields),
        _ => ("404 Not Found", String::new(), String::new()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n");
    // Whoever has asked may have gone.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

/// The first line, the header fields by their names in lower case, and the body of a request.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<(String, HashMap<String, String>, String)> {
    let (mut first, mut fields) = (String::new(), HashMap::new());
    stream.read_line(&mut first).await.ok()?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = fields.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((first, fields, String::from_utf8_lossy(&body).into_owned()))
}

fn pairs(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn json_of(value: &Value) -> Answer {
    ("200 OK", "Content-Type: application/json\r\n".into(), value.to_string())
}

fn error(status: &'static str, code: &str) -> Answer {
    (status, String::new(), json!({ "error": code }).to_string())
}

/// What it says of itself.
fn document(shared: &Shared, lie: Lie) -> Answer {
    let own = &shared.issuer;
    let issuer = if lie == Lie::Discovery { "https://other.example" } else { own };
    let token_endpoint = match lie {
        Lie::PlainEndpoint => "http://192.0.2.1/token".to_owned(),
        _ => format!("{own}/token"),
    };
    json_of(&json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{own}/authorize?tenant=7"),
        "token_endpoint": token_endpoint,
        "jwks_uri": format!("{own}/keys"),
        "userinfo_endpoint": format!("{own}/userinfo"),
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": ["openid"],
    }))
}

/// Its key, beside some that are of no use here.
fn keys(shared: &Shared) -> Answer {
    // Uncompressed: a 4, and two numbers of 32 bytes.
    let (x, y) = shared.key.public_key().as_ref()[1..].split_at(32);
    json_of(&json!({ "keys": [
        { "kty": "quantum", "kid": "future", "q": "?" },
        { "kty": "oct", "kid": KEY, "k": base64(b"a secret among keys") },
        { "kty": "EC", "crv": "P-256", "kid": KEY, "use": "sig", "alg": "ES256", "x": base64(x), "y": base64(y) },
    ] }))
}

/// Lets Ann in, and leads back.
fn authorize(shared: &Shared, lie: Lie, asked: HashMap<String, String>) -> Answer {
    let get = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let is_good = get("response_type") == "code"
        && get("client_id") == CLIENT.0
        && get("tenant") == "7"
        && get("scope").split(' ').any(|scope| scope == "openid")
        && get("code_challenge_method") == "S256"
        && get("code_challenge").len() == 43;
    if !is_good {
        return error("400 Bad Request", "invalid_request");
    }
    let mut state = shared.state();
    state.given += 1;
    let code = format!("code-{}", state.given);
    let issuer = if lie == Lie::Sender { "https://other.example" } else { &*shared.issuer };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("state", get("state")).append_pair("iss", issuer);
    match lie {
        Lie::Denies => query.append_pair("error", "access_denied"),
        _ => query.append_pair("code", &code),
    };
    let location = format!("Location: {}?{}\r\n", get("redirect_uri"), query.finish());
    state.codes.insert(code, asked);
    ("302 Found", location, String::new())
}

/// Takes a code once, with what belongs to it.
fn token(
    shared: &Shared,
    lie: Lie,
    fields: &HashMap<String, String>,
    shown: &HashMap<String, String>,
) -> Answer {
    let get = |name: &str| shown.get(name).map(String::as_str).unwrap_or_default();
    let secret: String = form_urlencoded::byte_serialize(CLIENT.1.as_bytes()).collect();
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{secret}", CLIENT.0)));
    if fields.get("authorization") != Some(&basic) {
        return error("401 Unauthorized", "invalid_client");
    }
    let Some(asked) = shared.state().codes.remove(get("code")) else {
        return error("400 Bad Request", "invalid_grant");
    };
    let challenge = base64(digest(&SHA256, get("code_verifier").as_bytes()).as_ref());
    let is_good = get("grant_type") == "authorization_code"
        && asked.get("redirect_uri").is_some_and(|redirect| redirect == get("redirect_uri"))
        && asked.get("code_challenge") == Some(&challenge);
    if !is_good {
        return error("400 Bad Request", "invalid_grant");
    }
    let id_token = id_token(shared, lie, asked.get("nonce").map(String::as_str).unwrap_or_default());
    json_of(&json!({ "id_token": id_token, "access_token": "opaque", "token_type": "Bearer" }))
}

fn user_info(shared: &Shared, lie: Lie, fields: &HashMap<String, String>) -> Answer {
    if fields.get("authorization").is_none_or(|shown| shown != "Bearer opaque") {
        return error("401 Unauthorized", "invalid_token");
    }
    let mut claims = shared.state().user_info.clone();
    let subject = if lie == Lie::UserInfo { "somebody else" } else { "subject of ann" };
    claims.insert("sub".into(), subject.into());
    json_of(&Value::Object(claims))
}

fn id_token(shared: &Shared, lie: Lie, nonce: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later").as_secs();
    let mut claims = shared.state().claims.clone();
    let standard = json!({
        "iss": if lie == Lie::Issuer { "https://other.example" } else { &*shared.issuer },
        "sub": if lie == Lie::NoSubject { "" } else { "subject of ann" },
        "aud": match lie {
            Lie::Audience => json!("other"),
            Lie::AuthorizedParty => json!(["other", CLIENT.0]),
            _ => json!(CLIENT.0),
        },
        "nonce": if lie == Lie::Nonce { "another one" } else { nonce },
        "iat": now,
        "exp": if lie == Lie::Expired { now - 120 } else { now + 60 },
    });
    claims.extend(object(standard));
    if lie == Lie::AuthorizedParty {
        claims.insert("azp".into(), "other".into());
    }
    if lie == Lie::NotYet {
        claims.insert("nbf".into(), (now + 3600).into());
    }
    let algorithm = match lie {
        Lie::AlgNone => "none",
        Lie::PublicKeyAsSecret => "HS256",
        _ => "ES256",
    };
    let header = json!({ "alg": algorithm, "kid": KEY, "typ": "JWT" });
    let message = [header.to_string(), Value::Object(claims).to_string()];
    let message = message.map(|part| base64(part.as_bytes())).join(".");
    let sign = |key: &EcdsaKeyPair| {
        let signature = key.sign(&SystemRandom::new(), message.as_bytes()).expect("a key signs");
        signature.as_ref().to_vec()
    };
    let signature = match lie {
        Lie::AlgNone => Vec::new(),
        Lie::PublicKeyAsSecret => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, shared.key.public_key().as_ref());
            hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
        }
        Lie::OtherKey => sign(&new_key()),
        _ => sign(&shared.key),
    };
    format!("{message}.{}", base64(&signature))
}
