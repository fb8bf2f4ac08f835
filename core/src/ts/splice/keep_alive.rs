//! Keep-alive packets, sent while no source sends: packets without a payload, so that a
//! viewer's connection is not taken for dead.

use super::Splice;

/// Packets in a batch: as many as a datagram of MPEG-TS has, and room for PAT and the longest PMT
/// (1024 bytes are 6 packets).
pub const BATCH: usize = 7;

/// Whole batches in one gap, then single null packets: a minute at four a second, in which most
/// sources are back. Behind it a connection needs no more than any byte, and what is sent lies in
/// the window and in the segment that is being made.
const WHOLE_BATCHES: u32 = 240;

/// The most packets in one gap: six hours at four a second, a night's outage, and 16 MB in the
/// segment that is being made.
const MOST: u32 = 86_400;

impl Splice {
    /// Appends something to the output that keeps a viewer's connection alive in a gap: at first
    /// [`BATCH`] packets (PAT, PMT and null packets), in a long gap single null packets. It is no
    /// random access point, and the timeline stands where it stood.
    ///
    /// False, and nothing is appended, before the first picture (players that see packets without
    /// content first take the stream for something else), and when the gap has lasted for hours.
    pub fn keep_alive(&mut self) -> bool {
        if self.counts.entries == 0 || self.lull.kept_alive >= MOST {
            return false;
        }
        let nulls = if self.lull.kept_alive < WHOLE_BATCHES {
            BATCH - self.writer.repeat_tables().min(BATCH)
        } else {
            1
        };
        self.writer.write_nulls(nulls);
        self.lull.kept_alive += 1;
        self.counts.keep_alives += 1;
        true
    }
}
