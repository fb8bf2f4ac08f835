//! Clips that are built in, looped.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Piece, SocketGuard, Upstream};

/// Pieces of a clip, which are 9.6 s long: a twentieth of a second each, so that the pace is even.
const PIECES: usize = 192;

/// Plays `clip`, which is a whole number of pictures and of frames of sound of the same length,
/// again and again.
pub(super) fn looped(clip: &'static [u8], hold: SocketGuard) -> Upstream {
    let size = clip.len().div_ceil(PIECES);
    let pass = move || {
        // Borrowed from the program itself: a hundred channels on a slate need no memory for it.
        clip.chunks(size).map(|piece| Piece::Bytes(Bytes::from_static(piece))).chain([Piece::Discontinuity])
    };
    let pieces = stream::iter(std::iter::repeat_with(pass).flatten()).map(Ok).boxed();
    Upstream::looped(pieces, hold)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use forebay_core::ts::random_access::RandomAccess;
    use forebay_core::ts::splice::Splice;
    use forebay_core::ts::sync::{Item, Sync};
    use forebay_testkit::ts::{Checker, Limits};

    use super::super::{slate, testcard};
    use super::*;

    /// Thirteen frames of silence fit a packet, and are one PES packet.
    fn limits() -> Limits {
        Limits { dts_gap: Duration::from_millis(280), ..Limits::default() }
    }

    /// Plays three passes into `splice`, as a driver does.
    async fn play(splice: &mut Splice, mut upstream: Upstream) {
        let (mut sync, mut passes) = (Sync::new(), 0);
        while passes < 3 {
            match upstream.pieces.next().await.expect("it has no end").expect("nothing can fail") {
                Piece::Bytes(bytes) => {
                    let mut items = sync.push(&bytes);
                    while let Some(item) = items.next() {
                        let Item::Packets(packets) = item else { panic!("nothing is skipped: {item:?}") };
                        splice.push(packets);
                    }
                }
                Piece::Discontinuity => {
                    passes += 1;
                    sync = Sync::new();
                    splice.finish();
                    splice.begin();
                }
                Piece::SegmentEnd | Piece::Activity => panic!("it has no parts"),
            }
        }
    }

    #[tokio::test]
    async fn clips_loop_without_a_seam() {
        for (upstream, gop) in [(testcard::open(SocketGuard::default()), 48), (slate::open(), 24)] {
            let mut splice = Splice::new(None);
            play(&mut splice, upstream).await;
            let (bytes, points) = splice.output();
            Checker::check(bytes).assert_within(&limits());
            assert_eq!((splice.counts().splices, splice.counts().units_dropped), (2, 0));
            assert!(points.iter().all(|point| point.kind == RandomAccess::Idr));
            let steps: Vec<_> = points.windows(2).map(|pair| pair[1].shown.since(pair[0].shown)).collect();
            assert_eq!(steps, vec![Duration::from_millis(gop * 40); steps.len()]);
        }
    }

    #[tokio::test]
    async fn the_slate_goes_on_where_a_usual_channel_breaks_off() {
        let mut splice = Splice::new(None);
        play(&mut splice, testcard::open(SocketGuard::default())).await;
        play(&mut splice, slate::open()).await;
        let report = Checker::check(splice.output().0);
        report.assert_within(&limits());
        assert_eq!((report.pmt_versions, splice.counts().codec_changes), (vec![0], 0));
    }
}
