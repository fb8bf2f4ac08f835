//! `/api/oidc`: signing in by a provider of identities. A person in a browser comes here, so what
//! goes wrong leads back to the page that signs in, which has words for it.

use std::time::Instant;

use axum::response::{AppendHeaders, IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use tracing::{info, warn};
use url::form_urlencoded;

use super::session::own_host;
use crate::accounts::{Refusal, SignedIn};
use crate::config::Oidc as Config;
use crate::http::State;
use crate::http::auth::{clear_flow_cookie, flow_cookie, set_cookie, set_flow_cookie};
use crate::http::error::ApiError;
use crate::http::extract::Client;
use crate::http::query::Query;
use crate::http::tally::Count;
use crate::oidc::{Answer, Reason};

/// The interface, seen from these routes: addresses are relative, since a proxy may serve Forebay
/// below a path.
const INTERFACE: &str = "../../admin/";

/// Where the provider sends the browser, below our own address.
const CALLBACK: &str = "api/oidc/callback";

/// Neither is kept by anybody, nor told to where it leads.
const PRIVATE: [(header::HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// `GET /api/oidc/start`. Any page may lead here: whoever signs in then does so at the provider.
pub(in crate::http) async fn start(
    state: State,
    client: Client,
    uri: Uri,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let config = configured(&state, &uri)?;
    let (base, host) = own_host(&state, client.peer, &uri, &headers)?;
    take_start(&state, &client)?;
    let redirect = base.join(CALLBACK).expect("a path below an address is one");
    let page = query.value("to").filter(|page| is_page(page)).unwrap_or_default();
    Ok(match state.guards.oidc.begin(&config, &redirect, &host, &page).await {
        Ok((url, cookie)) => lead(url.as_str(), vec![set_flow_cookie(&base, &cookie)]),
        Err(reason) => refuse(&Refused::Provider(reason), Vec::new()),
    })
}

/// `GET /api/oidc/callback`
pub(in crate::http) async fn finish(
    state: State,
    client: Client,
    uri: Uri,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let config = configured(&state, &uri)?;
    let (base, host) = own_host(&state, client.peer, &uri, &headers)?;
    let text = |key| query.value(key).map(std::borrow::Cow::into_owned);
    let answer = Answer { state: text("state").unwrap_or_default(), code: text("code"), issuer: text("iss") };
    let cookie = flow_cookie(&headers).unwrap_or_default();
    let over = clear_flow_cookie(&base);
    Ok(match signed_in(&state, &config, &host, cookie, &answer).await {
        Ok((SignedIn { cookie, lifetime, .. }, page)) => {
            state.guards.starts.right(client.address);
            lead(&format!("{INTERFACE}{page}"), vec![over, set_cookie(&base, &cookie, lifetime)])
        }
        // Somebody else's page may have led here: whoever has begun can still end it.
        Err(refused @ Refused::Provider(Reason::NoFlow)) => refuse(&refused, Vec::new()),
        Err(refused) => refuse(&refused, vec![over]),
    })
}

/// Who has not let somebody in.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Provider(Reason),
    #[error(transparent)]
    Here(Refusal),
}

impl Refused {
    /// What the page that signs in is told.
    fn code(&self) -> &'static str {
        match self {
            Self::Provider(reason) => reason.code(),
            Self::Here(Refusal::Taken(_)) => "taken",
            Self::Here(Refusal::Inactive) => "inactive",
            Self::Here(_) => "failed",
        }
    }

    /// Whether anybody can bring this about, as often as they like, with nothing being wrong here.
    fn is_of_everybody(&self) -> bool {
        use Reason::{Denied, NoFlow, NoName, NoRole};
        matches!(self, Self::Provider(NoFlow | Denied | NoName(_) | NoRole(_)))
    }
}

/// Takes one of the beginnings that a household has. They are no guesses at passwords: any page can
/// lead a browser here, and must not use those up.
fn take_start(state: &State, client: &Client) -> Result<(), ApiError> {
    state.guards.starts.take(client.address, Instant::now()).map_err(|wait| {
        state.tally.note(Count::GuessesRefused);
        ApiError::too_many_tries(wait)
    })
}

/// The browser with its session, and the page that is to be seen.
async fn signed_in(
    state: &State,
    config: &Config,
    host: &str,
    cookie: &str,
    answer: &Answer,
) -> Result<(SignedIn, String), Refused> {
    let finished = state.guards.oidc.finish(config, cookie, answer).await;
    let (flow, vouched) = finished.map_err(Refused::Provider)?;
    if flow.host != host {
        return Err(Refused::Provider(Reason::NoFlow));
    }
    let signed_in = state.accounts.sign_in_vouched(vouched, host).await;
    Ok((signed_in.map_err(Refused::Here)?, flow.page))
}

/// The configuration, where there is a provider.
fn configured(state: &State, uri: &Uri) -> Result<Config, ApiError> {
    state.config().oidc.clone().ok_or_else(|| ApiError::no_such_route(uri))
}

/// Whether it can be the name of a page, and of nothing else.
fn is_page(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn refuse(refused: &Refused, cookies: Vec<HeaderValue>) -> Response {
    if refused.is_of_everybody() {
        info!(why = %refused, "nobody was signed in by the provider of identities");
    } else {
        warn!(why = %refused, "nobody was signed in by the provider of identities");
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    let query = query.append_pair("refused", refused.code()).finish();
    lead(&format!("{INTERFACE}signin?{query}"), cookies)
}

fn lead(to: &str, cookies: Vec<HeaderValue>) -> Response {
    let to = HeaderValue::try_from(to).expect("an address is plain ASCII");
    let cookies = AppendHeaders(cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie)));
    (StatusCode::SEE_OTHER, PRIVATE, [(header::LOCATION, to)], cookies).into_response()
}
