//! What a request shows: a key, or the cookie of a session.
//!
//! A browser sends a cookie with whatever request any page makes. So a session counts only at the
//! host at which it began, which no other page can make lead here; and it changes something only
//! for a page of that host.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Uri, header};
use jiff::Timestamp;
use tracing::debug;
use url::Url;

use crate::accounts::secret::Secret;
use crate::db::users::User;
use crate::http::forwarded::is_trusted;
use crate::http::head::host;
use crate::http::{Peer, State};
use crate::oidc::LIFETIME;

/// The name of the cookie.
const COOKIE: &str = "forebay_session";

/// The name of the cookie of a flow.
const FLOW_COOKIE: &str = "forebay_oidc";

/// Where the browser sends it, below our own path.
const FLOW_PATH: &str = "api/oidc/";

/// What a request shows in `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// What the browser has of a session.
pub(in crate::http) fn cookie(headers: &HeaderMap) -> Option<&str> {
    value_of(headers, COOKIE)
}

/// What the browser has of a flow: it is signing in by a provider of identities.
pub(in crate::http) fn flow_cookie(headers: &HeaderMap) -> Option<&str> {
    value_of(headers, FLOW_COOKIE)
}

fn value_of<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// Who is signed in, here or at a trusted proxy.
pub(in crate::http) fn session(
    state: &State,
    peer: Peer,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<Arc<User>> {
    by_cookie(state, uri, headers).or_else(|| named_by_proxy(state, peer, headers))
}

fn by_cookie(state: &State, uri: &Uri, headers: &HeaderMap) -> Option<Arc<User>> {
    // With the host that the request names: a page can
    // point its own name at us, but not change that.
    let (cookie, host) = (cookie(headers)?, host(uri, headers)?);
    state.accounts.people().signed_in(cookie, &host.to_ascii_lowercase(), Timestamp::now()).cloned()
}

/// The user whom a trusted proxy names, once. From anybody else the header means nothing.
fn named_by_proxy(state: &State, peer: Peer, headers: &HeaderMap) -> Option<Arc<User>> {
    let config = state.config();
    let mut values = headers.get_all(config.auth.user_header.as_ref()?).iter();
    // Two mean that the proxy has added its own to one that the client sent.
    let (value, None) = (values.next()?, values.next()) else { return None };
    if !is_trusted(&config.server, peer.address.ip()) {
        debug!(peer = %peer.address, "a user is named by one who is no trusted proxy");
        return None;
    }
    let people = state.accounts.people();
    people.named(value.to_str().ok()?).filter(|user| user.is_active(Timestamp::now())).cloned()
}

/// Whether a page of this very origin sent it, as the browser says. `base` is the address under
/// which the viewer reaches us.
pub(in crate::http) fn is_of_own_page(base: &Url, uri: &Uri, headers: &HeaderMap) -> bool {
    // A browser that sends this sends it with each request, and no page can change it.
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return false;
    };
    let is_host = |(_, authority): (&str, &str)| {
        host(uri, headers).is_some_and(|host| host.eq_ignore_ascii_case(authority))
    };
    origin.split_once("://").is_some_and(is_host) || base.origin().ascii_serialization() == origin
}

/// The cookie for a browser that is signed in. Scripts cannot read it, and no page of another site
/// makes the browser send it. `lifetime` is that of the session.
pub(in crate::http) fn set_cookie(base: &Url, cookie: &Secret, lifetime: Duration) -> HeaderValue {
    field(base, COOKIE, cookie.reveal(), "", lifetime, "Strict")
}

/// Takes the cookie away.
pub(in crate::http) fn clear_cookie(base: &Url) -> HeaderValue {
    field(base, COOKIE, "", "", Duration::ZERO, "Strict")
}

/// The cookie for a browser that goes to the provider of identities. It comes back from a page of
/// another site, with which a browser sends no strict one.
pub(in crate::http) fn set_flow_cookie(base: &Url, cookie: &Secret) -> HeaderValue {
    field(base, FLOW_COOKIE, cookie.reveal(), FLOW_PATH, LIFETIME, "Lax")
}

/// Takes that cookie away.
pub(in crate::http) fn clear_flow_cookie(base: &Url) -> HeaderValue {
    field(base, FLOW_COOKIE, "", FLOW_PATH, Duration::ZERO, "Lax")
}

fn field(base: &Url, name: &str, value: &str, below: &str, age: Duration, same_site: &str) -> HeaderValue {
    // Over plain HTTP a browser would not keep a secure cookie, and nobody could sign in at home.
    let secure = if base.scheme() == "https" { "; Secure" } else { "" };
    let (path, seconds) = (base.path(), age.as_secs());
    let text = format!(
        "{name}={value}; Path={path}{below}; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}"
    );
    HeaderValue::try_from(text).expect("a path of an address is plain ASCII")
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_session_is_one_cookie_among_others() {
        for (fields, found) in [
            (&[("cookie", "forebay_session=abc")][..], Some("abc")),
            (&[("cookie", "a=b; forebay_session=abc; c=d")], Some("abc")),
            (&[("cookie", "a=b"), ("cookie", "forebay_session=abc")], Some("abc")),
            (&[("cookie", "xforebay_session=abc")], None),
            (&[("cookie", "forebay_session")], None),
            (&[], None),
        ] {
            assert_eq!(cookie(&headers(fields)), found, "{fields:?}");
        }
    }

    #[test]
    fn a_page_of_ours_is_known_by_what_the_browser_says() {
        let base: Url = "https://tv.example/sub/".parse().unwrap();
        for (fields, is_ours) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "http://tv.lan:8080")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "http://tv.lan:8080")], true),
            (&[("origin", "https://TV.lan:8080")], true),
            (&[("origin", "https://tv.example")], true),
            (&[("origin", "http://tv.example")], false),
            (&[("origin", "http://tv.lan")], false),
            (&[("origin", "null")], false),
            (&[], false),
        ] {
            let mut headers = headers(fields);
            headers.insert(header::HOST, HeaderValue::from_static("tv.lan:8080"));
            assert_eq!(is_of_own_page(&base, &Uri::from_static("/api"), &headers), is_ours, "{fields:?}");
        }
    }

    #[test]
    fn the_cookie_is_for_our_path_and_no_script() {
        let base: Url = "https://tv.example/sub/".parse().unwrap();
        let cookie = set_cookie(&base, &Secret::from("abc".to_owned()), Duration::from_hours(30 * 24));
        let expected = "forebay_session=abc; Path=/sub/; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(cookie, expected);
        let plain: Url = "http://tv.lan:8080/".parse().unwrap();
        assert_eq!(clear_cookie(&plain), "forebay_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
        let flow = "forebay_oidc=abc; Path=/sub/api/oidc/; Max-Age=600; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(set_flow_cookie(&base, &Secret::from("abc".to_owned())), flow);
    }

    #[test]
    fn a_bearer_is_a_scheme_and_a_token() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearerabc", None),
        ] {
            assert_eq!(bearer(&headers(&[("authorization", value)])), token, "{value}");
        }
    }
}
