//! What goes for the head of every request.

use http::{HeaderMap, Uri, Version, header};

use crate::host::HostPort;

/// Whether the request says which host it is for, once and in one way. HTTP/1.1 has one `Host` (RFC
/// 9112, section 3.2); HTTP/1.0 may leave it out; HTTP/2 has `:authority`, and a `Host` that says
/// the same (RFC 9113, section 8.3.1).
pub(super) fn names_host<B>(request: &http::Request<B>) -> bool {
    let is_good = |host: &str| HostPort::parse(host).is_some();
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    if !authority.is_none_or(is_good) {
        return false;
    }
    let mut fields = request.headers().get_all(header::HOST).iter();
    match (request.version(), fields.next(), fields.next()) {
        // Two hosts are how requests are smuggled past a proxy that reads the other one.
        (_, Some(_), Some(_)) => false,
        (Version::HTTP_2, None, _) => authority.is_some(),
        (Version::HTTP_2, Some(host), None) => host
            .to_str()
            .is_ok_and(|host| is_good(host) && authority.is_none_or(|own| own.eq_ignore_ascii_case(host))),
        (Version::HTTP_10, None, _) => true,
        // Old players send the field and leave it empty.
        (Version::HTTP_10, Some(host), None) if host.is_empty() => true,
        (_, Some(host), None) => host.to_str().is_ok_and(is_good),
        (_, None, _) => false,
    }
}

/// The host that a request is for, as it says.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST).and_then(|host| host.to_str().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(version: Version, uri: &str, hosts: &[&str]) -> bool {
        let request = http::Request::builder().version(version).uri(uri);
        let request = hosts.iter().fold(request, |request, host| request.header(header::HOST, *host));
        names_host(&request.body(()).unwrap())
    }

    #[test]
    fn a_request_names_its_host_once() {
        let (old, http1, http2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        for (version, uri, hosts, is_good) in [
            (http1, "/", &["tv.lan:8080"][..], true),
            (http1, "http://tv.lan/", &["tv.lan"], true),
            (http1, "/", &[], false),
            (http1, "/", &[""], false),
            (http1, "/", &["a", "a"], false),
            (http1, "/", &["evil#"], false),
            (http1, "http://user@evil/", &["tv.lan"], false),
            (http1, "http://tv.lan/", &[], false),
            (old, "/", &[], true),
            (old, "/", &[""], true),
            (old, "/", &["a", "b"], false),
            (old, "/", &[":pw@evil"], false),
            (http2, "https://tv.lan/", &[], true),
            (http2, "https://tv.lan/", &["TV.lan"], true),
            (http2, "https://tv.lan/", &["other.lan"], false),
            (http2, "/", &["tv.lan"], true),
            (http2, "/", &[], false),
        ] {
            assert_eq!(names(version, uri, hosts), is_good, "{version:?} {uri} {hosts:?}");
        }
    }
}
