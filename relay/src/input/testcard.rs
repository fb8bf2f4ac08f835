//! `testcard://`: the clip that is built in, looped.

use super::{SocketGuard, Upstream, clip};

/// 9.6 s of H.264 and AAC; `assets/make-testcard.sh` makes it.
static CLIP: &[u8] = include_bytes!("../../../assets/testcard.ts");

pub(super) fn open(hold: SocketGuard) -> Upstream {
    clip::looped(CLIP, hold)
}
