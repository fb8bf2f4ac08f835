//! Tokens in the queries of addresses.

use url::Url;

/// `url` with the query of `from`, where it has none itself and is on the same host: a token is
/// nobody else's business.
pub(super) fn inherit(url: &Url, from: &Url) -> Option<Url> {
    let fits = url.query().is_none() && from.query().is_some() && url.host() == from.host();
    fits.then(|| {
        let mut url = url.clone();
        url.set_query(from.query());
        url
    })
}
