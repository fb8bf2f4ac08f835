//! The blocks of a file in their order (RFC 9559, sections 5.1.3 and 10).

use std::ops::Range;

use super::super::Error;
use super::super::source::{Lane, Pause, Source};
use super::ebml::{Element, element, leaf, number, unsigned};

pub(super) const CLUSTER: u32 = 0x1F43_B675;
const TIMESTAMP: u32 = 0xE7;
const SIMPLE_BLOCK: u32 = 0xA3;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;
const BLOCK_DURATION: u32 = 0x9B;
const REFERENCE_BLOCK: u32 = 0xFB;

/// What of a block is looked at: its head, the sizes of its frames, and the beginning of the first.
const LOOK: u64 = 512;

/// Bytes of the first frame that are kept for whoever asks what it is.
pub(super) const BEGIN: usize = 32;

/// One block: a picture, or some frames of sound.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// Where its element begins.
    pub(super) at: u64,
    /// The number of its track.
    pub(super) track: u64,
    /// When it is shown, in the file's own units.
    pub(super) time: i64,
    /// Whether a decoder can start with it.
    pub(super) is_key: bool,
    /// How long it lasts, where it says so.
    pub(super) duration: Option<u64>,
    /// Where its frames lie.
    pub(super) frames: Frames,
    /// How its first frame begins; zeros behind its end.
    pub(super) begin: [u8; BEGIN],
}

/// One frame, or several in one block (section 10.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frames {
    One(Range<u64>),
    Laced(Vec<Range<u64>>),
}

impl Frames {
    pub(super) fn all(&self) -> &[Range<u64>] {
        match self {
            Self::One(range) => std::slice::from_ref(range),
            Self::Laced(ranges) => ranges,
        }
    }
}

/// Gives the blocks from some cluster on.
#[derive(Debug)]
pub(super) struct Walk {
    /// Where the next element begins.
    at: u64,
    /// Where the clusters end.
    limit: u64,
    cluster: Option<Cluster>,
    group: Option<Group>,
    /// How far into the first cluster to begin, once its time is known.
    skip: Option<u64>,
    /// Where to go on if that was no block.
    skipped_from: Option<u64>,
}

#[derive(Debug)]
struct Cluster {
    at: u64,
    body: u64,
    end: u64,
    is_open: bool,
    time: i64,
}

#[derive(Debug)]
struct Group {
    end: u64,
    block: Option<Block>,
    is_key: bool,
    duration: Option<u64>,
}

impl Walk {
    /// From the cluster at `at`, and there from `skip` bytes into its content on.
    pub(super) fn new(at: u64, skip: Option<u64>, limit: u64) -> Self {
        Self { at, limit, cluster: None, group: None, skip, skipped_from: None }
    }

    /// Where the cluster of the last block begins, and how far into its content `at` is.
    pub(super) fn place(&self, at: u64) -> (u64, u64) {
        self.cluster.as_ref().map_or((at, 0), |cluster| (cluster.at, at.saturating_sub(cluster.body)))
    }

    /// Passes the rest of a cluster whose size is known.
    pub(super) fn skip_cluster(&mut self) {
        if let Some(cluster) = self.cluster.take_if(|cluster| !cluster.is_open) {
            self.at = cluster.end;
            self.group = None;
        }
    }

    /// The next block; `None` behind the last whole one. Nothing is passed when it pauses.
    pub(super) fn next(&mut self, source: &mut Source) -> Result<Option<Block>, Pause> {
        loop {
            if let Some(group) = self.group.take_if(|group| self.at >= group.end) {
                let Group { block, is_key, duration, .. } = group;
                if let Some(block) = block {
                    return Ok(Some(Block { is_key, duration, ..block }));
                }
            }
            if self.cluster.as_ref().is_some_and(|cluster| self.at >= cluster.end) {
                self.cluster = None;
            }
            if self.at >= self.limit {
                return Ok(None);
            }
            let found = element(source, self.at, self.limit)?;
            // A cut-off element is missing, and bytes that are no element tell nothing of the rest.
            let is_cut = |found: &Element| found.end > self.limit && found.id != CLUSTER;
            let Some(found) = found.filter(|found| !is_cut(found)) else {
                self.at = self.limit;
                self.group = None;
                continue;
            };
            if let Some(block) = self.step(source, found)? {
                return Ok(Some(block));
            }
        }
    }

    /// Takes one element.
    fn step(&mut self, source: &mut Source, found: Element) -> Result<Option<Block>, Pause> {
        if let Some(from) = self.skipped_from.take()
            && !matches!(found.id, SIMPLE_BLOCK | BLOCK_GROUP)
        {
            self.at = from;
            return Ok(None);
        }
        if let Some(group) = &mut self.group {
            let time = self.cluster.as_ref().map_or(0, |cluster| cluster.time);
            match found.id {
                BLOCK => group.block = block(source, &found, time)?,
                BLOCK_DURATION => group.duration = unsigned(leaf(source, &found)?),
                REFERENCE_BLOCK => group.is_key = false,
                _ => {}
            }
            self.at = found.end;
            return Ok(None);
        }
        match (found.id, &mut self.cluster) {
            (CLUSTER, _) => {
                let Element { at, body, end, is_open, .. } = found;
                self.cluster = Some(Cluster { at, body, end: end.min(self.limit), is_open, time: 0 });
                self.at = body;
            }
            (TIMESTAMP, Some(cluster)) => {
                let time = unsigned(leaf(source, &found)?).and_then(|time| i64::try_from(time).ok());
                // Beyond any film, and far from where sums overflow.
                cluster.time = time.unwrap_or(0).clamp(0, 1 << 55);
                self.at = found.end;
                if let Some(skip) = self.skip.take() {
                    self.skipped_from = Some(self.at);
                    self.at = cluster.body.saturating_add(skip).clamp(self.at, cluster.end);
                }
            }
            (SIMPLE_BLOCK, Some(cluster)) => {
                let block = block(source, &found, cluster.time)?;
                self.at = found.end;
                return Ok(block);
            }
            (BLOCK_GROUP, Some(_)) => {
                self.group = Some(Group { end: found.end, block: None, is_key: true, duration: None });
                self.at = found.body;
            }
            (id, cluster) => {
                // Ids of four bytes stand beside clusters: one that is open ends there.
                if id > 0x00FF_FFFF && cluster.as_ref().is_some_and(|cluster| cluster.is_open) {
                    *cluster = None;
                }
                self.at = found.end;
            }
        }
        Ok(None)
    }
}

/// Reads the head of a block in a cluster of this time; `None` of one that is no block.
fn block(source: &mut Source, found: &Element, cluster: i64) -> Result<Option<Block>, Pause> {
    let head = found.body - found.at;
    let look = (found.end - found.at).min(LOOK);
    let mut size = usize::try_from(look).expect("a look is short");
    let place = usize::try_from(head).expect("a head is short");
    loop {
        // The next elements are likely to be near.
        let end = found.at + (found.end - found.at).clamp(4096, 16_384);
        let bytes = source.get(Lane::Boxes, found.at, size, end)?;
        match parse_block(&bytes[place..], found, cluster) {
            Parsed::Block(block) => return Ok(Some(block)),
            Parsed::None => return Ok(None),
            Parsed::Short => {
                let whole = found.end - found.at;
                if size as u64 >= whole.min(1 << 17) {
                    let what = "the frames of a block have no end";
                    return Err(Error::Damaged { what, at: found.at }.into());
                }
                size = usize::try_from(whole.min(1 << 17)).expect("it has a limit");
            }
        }
    }
}

enum Parsed {
    Block(Block),
    /// It is too short to be one.
    None,
    /// The sizes of its frames go on behind what was looked at.
    Short,
}

fn parse_block(bytes: &[u8], found: &Element, cluster: i64) -> Parsed {
    let Some((track, length)) = number(bytes) else { return Parsed::None };
    let Some(&[high, low, flags]) = bytes.get(length..length + 3).and_then(|fields| fields.first_chunk())
    else {
        return Parsed::None;
    };
    let payload = length + 3;
    let begins = found.body + payload as u64;
    let (frames, lacing) = match lace(flags >> 1 & 3, &bytes[payload..], begins..found.end) {
        Ok(found) => found,
        Err(parsed) => return parsed,
    };
    let mut begin = [0; BEGIN];
    let first = bytes.get(payload + lacing..).unwrap_or_default();
    let kept = first.len().min(BEGIN);
    begin[..kept].copy_from_slice(&first[..kept]);
    Parsed::Block(Block {
        at: found.at,
        track,
        time: cluster + i64::from(i16::from_be_bytes([high, low])),
        is_key: flags & 0x80 != 0,
        duration: None,
        frames,
        begin,
    })
}

/// Where the frames of a block are whose content behind its head is `bytes` and lies at `all`; and
/// how many bytes tell that.
fn lace(kind: u8, bytes: &[u8], all: Range<u64>) -> Result<(Frames, usize), Parsed> {
    if kind == 0 {
        return Ok((Frames::One(all), 0));
    }
    let missing = || if bytes.len() as u64 >= all.end - all.start { Parsed::None } else { Parsed::Short };
    let others = usize::from(*bytes.first().ok_or_else(missing)?);
    let mut at = 1;
    let mut sizes: Vec<u64> = Vec::with_capacity(others + 1);
    match kind {
        1 => {
            for _ in 0..others {
                let mut size = 0;
                loop {
                    let byte = *bytes.get(at).ok_or_else(missing)?;
                    at += 1;
                    size += u64::from(byte);
                    if byte != 255 {
                        break;
                    }
                }
                sizes.push(size);
            }
        }
        3 if others > 0 => {
            for index in 0..others {
                let (value, length) = number(&bytes[at.min(bytes.len())..]).ok_or_else(missing)?;
                at += length;
                sizes.push(match sizes.last() {
                    None => value,
                    // The difference to the one before, moved so that it has no sign.
                    Some(&last) => {
                        let half = (1_u64 << (7 * length - 1)) - 1;
                        last.wrapping_add(value).wrapping_sub(half)
                    }
                });
                debug_assert_eq!(sizes.len(), index + 1);
            }
        }
        3 => {}
        _ => {
            let each = (all.end - all.start).saturating_sub(1) / (others as u64 + 1);
            sizes.resize(others, each);
        }
    }
    let mut begins = all.start.saturating_add(at as u64);
    let mut frames = Vec::with_capacity(others + 1);
    for size in sizes {
        let end = begins.checked_add(size).filter(|&end| end <= all.end).ok_or(Parsed::None)?;
        frames.push(begins..end);
        begins = end;
    }
    if begins > all.end {
        return Err(Parsed::None);
    }
    frames.push(begins..all.end);
    Ok((Frames::Laced(frames), at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laced(kind: u8, bytes: &[u8]) -> Option<Vec<u64>> {
        let all = 1000..1000 + bytes.len() as u64;
        let (frames, _) = lace(kind, bytes, all).ok()?;
        Some(frames.all().iter().map(|frame| frame.end - frame.start).collect())
    }

    #[test]
    fn frames_of_a_block_have_the_sizes_that_it_tells() {
        // The examples of RFC 9559, 10.3: frames of 800, 500 and 1000 bytes.
        let xiph = [&[2, 255, 255, 255, 35, 255, 245][..], &[0; 2300]].concat();
        assert_eq!(laced(1, &xiph), Some(vec![800, 500, 1000]));
        let ebml = [&[2, 0x43, 0x20, 0x5E, 0xD3][..], &[0; 2300]].concat();
        assert_eq!(laced(3, &ebml), Some(vec![800, 500, 1000]));
        assert_eq!(laced(2, &[&[2][..], &[0; 2400]].concat()), Some(vec![800, 800, 800]));
        assert_eq!(laced(0, &[0; 7]), Some(vec![7]));
        assert_eq!(laced(3, &[0, 1, 2]), Some(vec![2]));
        // Frames that would be longer than the block.
        assert_eq!(laced(1, &[1, 200, 0, 0]), None);
        assert_eq!(laced(3, &[2, 0x81, 0x80, 0]), None);
    }
}
