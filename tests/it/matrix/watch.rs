//! What a viewer sees of a failure.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client::{Arrival, Viewer};
use forebay_testkit::hls::{Follower, Rules};
use forebay_testkit::ts::{Access, Checker, Limits, PACKET_SIZE, Packet, demux};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

/// How long a viewer watches between two looks at whether it is over.
const LOOK: Duration = Duration::from_millis(100);

/// A viewer of the stream, with all that came.
pub(super) struct Watched {
    pub(super) bytes: Vec<u8>,
    arrivals: Vec<Arrival>,
    pub(super) until: Instant,
}

/// Watches the stream until told to stop.
pub(super) async fn watch(address: SocketAddr, path: String, stop: CancellationToken) -> Watched {
    let mut viewer = Viewer::get(address, &path).await;
    assert_eq!(viewer.status(), 200, "{path}");
    let mut bytes = Vec::new();
    while !stop.is_cancelled() {
        bytes.extend(viewer.read_for(LOOK).await);
        assert!(viewer.ended().is_none(), "{path} was cut off: {:?}", viewer.ended());
    }
    Watched { bytes, arrivals: viewer.arrivals().to_vec(), until: Instant::now() }
}

impl Watched {
    /// The longest time from `from` on without a new picture, or without sound: one that is not scrambled and later
    /// than all before.
    pub(super) fn gap(&self, from: Instant) -> Duration {
        let report = Checker::check(&self.bytes);
        let streams = report.video_pid().into_iter().chain(report.audio_pids());
        streams.map(|pid| self.gap_of(pid, from)).max().unwrap_or(self.until - from)
    }

    fn gap_of(&self, pid: u16, from: Instant) -> Duration {
        let (mut gap, mut fresh, mut latest) = (Duration::ZERO, from, None);
        let mut begins = |at: Instant| {
            gap = gap.max(at.saturating_duration_since(fresh));
            fresh = fresh.max(at);
        };
        for (offset, packet) in (0..).step_by(PACKET_SIZE).zip(self.bytes.chunks_exact(PACKET_SIZE)) {
            let Some(packet) = Packet::new(packet).filter(|packet| packet.pid() == pid) else { continue };
            if !packet.starts_unit() || packet.is_scrambled() {
                continue;
            }
            let stamp = time_stamp(packet.payload());
            if stamp.is_some() && stamp.is_none_or(|stamp| latest.is_some_and(|latest| stamp <= latest)) {
                continue;
            }
            latest = stamp.or(latest);
            begins(self.arrived(offset));
        }
        begins(self.until);
        gap
    }

    /// When the byte at this offset came.
    fn arrived(&self, offset: usize) -> Instant {
        let mut end = 0;
        let holds = |arrival: &&Arrival| {
            end += arrival.bytes;
            end > offset
        };
        self.arrivals.iter().find(holds).map_or(self.until, |arrival| arrival.at)
    }

    /// What came from then on, in whole packets.
    pub(super) fn since(&self, from: Instant) -> &[u8] {
        let before = self.arrivals.iter().take_while(|arrival| arrival.at < from);
        let before: usize = before.map(|arrival| arrival.bytes).sum();
        &self.bytes[before.next_multiple_of(PACKET_SIZE).min(self.bytes.len())..]
    }
}

/// The decoding time of a PES packet, or else its presentation time.
fn time_stamp(payload: &[u8]) -> Option<u64> {
    let flags = payload.get(7)? >> 6;
    let at = match flags {
        2 => 9,
        3 => 14,
        _ => return None,
    };
    let bits = |at: usize| payload.get(at).map(|byte| u64::from(*byte));
    Some(
        (bits(at)? & 0x0e) << 29
            | bits(at + 1)? << 22
            | (bits(at + 2)? & 0xfe) << 14
            | bits(at + 3)? << 7
            | bits(at + 4)? >> 1,
    )
}

/// What is wrong with a viewer's stream, in which pictures or sound may be missing for so long.
pub(super) fn faults(bytes: &[u8], missing: Duration, is_whole: bool) -> Vec<String> {
    let limits = Limits {
        dts_gap: missing,
        // Pictures stand still during a gap, and so does their clock.
        tables: SECOND,
        pcr: SECOND,
        clean_start: is_whole,
        cut_end: true,
    };
    let mut faults = Checker::check(bytes).faults(&limits);
    faults.extend(demux(bytes).is_empty().then(|| "there is no stream in it".to_owned()));
    faults
}

/// From the first place on where a viewer could join.
pub(super) fn from_entry(bytes: &[u8]) -> &[u8] {
    /// More than tables and a first picture.
    const BEGINNING: usize = 1024 * PACKET_SIZE;
    let joins = |at: &usize| {
        let rest = &bytes[*at..bytes.len().min(at + BEGINNING)];
        let is_table = Packet::new(&rest[..PACKET_SIZE]).is_some_and(|packet| packet.pid() == 0);
        let start = is_table.then(|| Checker::check(rest).start);
        start.is_some_and(|start| start.media_next && start.access.is_some_and(Access::is_random_access))
    };
    let whole = bytes.len() / PACKET_SIZE * PACKET_SIZE;
    let entry = (0..whole).step_by(PACKET_SIZE).find(joins);
    &bytes[entry.unwrap_or(bytes.len())..]
}

/// What a player by HLS sees.
pub(super) struct Followed {
    /// When the list grew, and by how much.
    growth: Vec<(Instant, Duration)>,
    pub(super) faults: Vec<String>,
    until: Instant,
}

/// Follows the playlist until told to stop. Pictures or sound may be missing for so long.
pub(super) async fn follow(url: String, missing: Duration, stop: CancellationToken) -> Followed {
    let rules = Rules {
        dts_gap: missing,
        sound_gap: missing,
        date_tolerance: SECOND,
        // How late segments come is measured, and a source's groups need not be those of the one before.
        publication: f64::from(u8::MAX),
        ..Rules::default()
    };
    let mut follower = Follower::with_rules(&url, rules);
    let (mut growth, mut known) = (Vec::new(), BTreeMap::new());
    while !stop.is_cancelled() {
        follower.watch(Duration::from_millis(1)).await;
        let listed = follower.playlist().into_iter().flat_map(|list| &list.segments);
        let fresh: Vec<_> = listed.filter(|segment| !known.contains_key(&segment.number)).collect();
        if !fresh.is_empty() {
            growth.push((Instant::now(), fresh.iter().map(|segment| segment.duration).sum()));
        }
        known.extend(fresh.iter().map(|segment| (segment.number, segment.duration)));
    }
    let mut faults = follower.finish().faults;
    // No segment can end where no picture comes.
    faults.retain(|fault| !fault.contains("over the target duration"));
    Followed { growth, faults, until: Instant::now() }
}

impl Followed {
    /// The longest time from `from` on that new segments came later than what they play.
    pub(super) fn gap(&self, from: Instant) -> Duration {
        let pairs = self.growth.windows(2).filter(|pair| pair[1].0 > from);
        let late = pairs.map(|pair| (pair[1].0 - pair[0].0).saturating_sub(pair[1].1));
        let end = self.growth.last().map_or(from, |(at, _)| *at);
        late.chain([(self.until - end).saturating_sub(3 * SECOND)]).max().unwrap_or_default()
    }
}
