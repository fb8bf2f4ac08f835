//! Logs that groups of pictures are too long for new viewers, or have no key picture: each once
//! while a channel is open.

use forebay_core::store_index::Edges;
use forebay_core::ts::random_access::RandomAccess;
use forebay_core::ts::splice::AccessPoint;
use tracing::{info, warn};

/// The notices that have been logged.
#[derive(Debug, Default)]
pub(super) struct GopNotices {
    is_too_long: bool,
    is_without_key: bool,
}

impl GopNotices {
    /// Notes the edges of the window.
    pub(super) fn note_edges(&mut self, edges: &Edges) {
        if edges.join.is_none() && edges.head > 0 && !self.is_too_long {
            self.is_too_long = true;
            warn!(
                "a group of pictures takes more than `buffer_bytes`: new viewers wait for the next key picture"
            );
        }
    }

    /// Notes new access points.
    pub(super) fn note_access_points(&mut self, points: &[AccessPoint]) {
        if points.iter().any(|point| point.kind == RandomAccess::Blind) && !self.is_without_key {
            self.is_without_key = true;
            info!("no key picture comes: new viewers begin at any picture");
        }
    }
}
