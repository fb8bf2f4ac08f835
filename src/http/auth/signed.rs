//! Signed links to films: `/s/EXPIRY.SIGNATURE` in front of a path, which relative addresses inherit.

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;

use crate::accounts::{FilmLink, NoLink};
use crate::films::FilmId;
use crate::http::admission::household;
use crate::http::error::ApiError;
use crate::http::forwarded::client_address;
use crate::http::{Peer, State};

/// How an address shows a signature, in front of the path that it is for.
pub(in crate::http) const SIGNED_PATH: &str = "/s/";

/// What stands in front of the id of a film, in paths that a link opens.
const OF_FILMS: [&str; 4] = ["/stream/", "/hls/", "/dash/", "/api/v1/videos/"];

/// What a request showed behind [`SIGNED_PATH`]; its path is without it behind.
#[derive(Debug, Clone)]
pub(super) struct Signed(pub(super) Arc<str>);

impl Signed {
    /// The link that it is.
    ///
    /// # Errors
    /// When it is over, or is not for this film and this address.
    pub(super) fn link(&self, state: &State, peer: Peer, parts: &Parts) -> Result<FilmLink, ApiError> {
        let refused = |message| ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        let unknown = || refused("the link was not signed here for this film and this address");
        // The film comes from the path and the signature
        // has to fit it: so a link opens no other address.
        let film = film(parts.uri.path()).ok_or_else(unknown)?;
        let home = household(client_address(&state.config().server, peer, &parts.headers));
        state.accounts.link(&self.0, &film.to_string(), home).map_err(|why| match why {
            NoLink::Unknown => unknown(),
            NoLink::Over => refused("the link is over: ask for another one"),
        })
    }
}

/// The film that a path is about.
fn film(path: &str) -> Option<FilmId> {
    let rest = OF_FILMS.iter().find_map(|start| path.strip_prefix(start))?;
    FilmId::parse(rest.split('/').next()?)
}
