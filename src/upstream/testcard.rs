//! `testcard://`: the clip that is built in, looped.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Hold, Pace, Piece, Upstream};

/// 9.6 s of H.264 and AAC; `assets/make-testcard.sh` makes it.
static CLIP: &[u8] = include_bytes!("../../assets/testcard.ts");

/// Bytes in a piece: a twentieth of a second, so that the pace is even.
const PIECE: usize = 4 * 1024;

pub(super) fn open(hold: Hold) -> Upstream {
    let pass =
        || CLIP.chunks(PIECE).map(|piece| Piece::Bytes(Bytes::from_static(piece))).chain([Piece::Seam]);
    let pieces = stream::iter(std::iter::repeat_with(pass).flatten()).map(Ok).boxed();
    Upstream::new(pieces, Pace::MediaTime, hold)
}
