//! What the viewers of a channel see while it has nothing else: a clip that asks for a moment,
//! looped.

use super::{SocketGuard, Upstream, clip};

/// 9.6 s of H.264 and silence in AAC, a random access point every 0.96 s; `assets/make-slate.sh`
/// makes it.
static CLIP: &[u8] = include_bytes!("../../../assets/slate.ts");

/// Opens it. It costs no connection, and cannot fail.
pub fn open() -> Upstream {
    clip::looped(CLIP, SocketGuard::default())
}
