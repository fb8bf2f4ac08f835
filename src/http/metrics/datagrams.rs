//! What becomes of datagrams.

use forebay_core::rtp::Counts;
use forebay_relay::input::datagram;

use super::family::Family;

/// Packets of RTP of all sources.
pub(super) fn families() -> Vec<Family> {
    let Counts { received, reordered, late, lost } = datagram::counts();
    vec![
        Family::counter("rtp_packets", "Packets of RTP that came.", received),
        Family::counter("rtp_reordered_packets", "Of them those that came behind a later one.", reordered),
        Family::counter("rtp_late_packets", "Of them those that came too late, or a second time.", late),
        Family::counter("rtp_lost_packets", "Packets of RTP that did not come in time.", lost),
    ]
}
