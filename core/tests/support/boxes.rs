//! A player of segments, as far as samples go: it reads what ISO/IEC 14496-12 says and shares no
//! code with what it judges.

/// A sample as it is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Played {
    /// When it is shown, in units of its track's timescale, by the edit list.
    pub(crate) shown: i64,
    pub(crate) duration: u32,
    pub(crate) is_sync: bool,
    pub(crate) bytes: Vec<u8>,
}

/// The samples of a track in these segments, of which the first is the initialisation segment.
pub(crate) fn play(segments: &[Vec<u8>], track: usize) -> Vec<Played> {
    let track = u32::try_from(track).expect("it is small");
    let begins = begin(&segments[0], track);
    segments[1..].iter().flat_map(|segment| read(segment, track, begins)).collect()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn boxes(mut bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at(number(bytes, 0) as usize);
        all.push((&head[4..8], &head[8..]));
        bytes = rest;
    }
    all
}

fn child<'a>(bytes: &'a [u8], kind: &[u8]) -> Option<&'a [u8]> {
    boxes(bytes).into_iter().find(|inner| inner.0 == kind).map(|inner| inner.1)
}

/// Where the media of a track begins by its edit list.
fn begin(init: &[u8], track: u32) -> i64 {
    let movie = child(init, b"moov").expect("there is a moov box");
    let ours = |body: &&[u8]| number(child(body, b"tkhd").expect("a track has a head"), 12) == track;
    let all = boxes(movie).into_iter().filter(|inner| inner.0 == b"trak").map(|inner| inner.1);
    let track = all.into_iter().find(ours).expect("the track is in the initialisation segment");
    let edits = child(track, b"edts").and_then(|edits| child(edits, b"elst"));
    edits.map_or(0, |list| i64::from_be_bytes(list[16..24].try_into().expect("eight bytes")))
}

fn read(segment: &[u8], track: u32, begins: i64) -> Vec<Played> {
    let mut at = 0;
    let mut samples = Vec::new();
    for (kind, body) in boxes(segment) {
        if kind == b"moof" {
            for (_, fragment) in boxes(body).into_iter().filter(|inner| inner.0 == b"traf") {
                let header = child(fragment, b"tfhd").expect("a track fragment has a head");
                if number(header, 4) == track {
                    samples.extend(read_track(segment, at, header, fragment, begins));
                }
            }
        }
        at += 8 + body.len();
    }
    samples
}

fn read_track(segment: &[u8], moof: usize, header: &[u8], body: &[u8], begins: i64) -> Vec<Played> {
    assert_eq!(number(header, 0), 0x02_002A, "a description, a duration and flags, from the moof box on");
    let (duration, flags) = (number(header, 12), number(header, 16));
    let time = child(body, b"tfdt").expect("a track fragment has a time");
    let mut decode = i64::from_be_bytes(time[4..12].try_into().expect("eight bytes"));
    let mut samples = Vec::new();
    for (_, run) in boxes(body).into_iter().filter(|inner| inner.0 == b"trun") {
        let has = |flag| number(run, 0) & flag != 0;
        let (mut place, mut at) = (12, moof + number(run, 8) as usize);
        let mut next = || {
            place += 4;
            number(run, place - 4)
        };
        let mut first = has(0x04).then(&mut next);
        for _ in 0..number(run, 4) {
            let duration = if has(0x100) { next() } else { duration };
            let size = next() as usize;
            let flags = if has(0x400) { next() } else { first.take().unwrap_or(flags) };
            let offset = if has(0x800) { next().cast_signed() } else { 0 };
            let shown = decode + i64::from(offset) - begins;
            let bytes = segment[at..at + size].to_vec();
            samples.push(Played { shown, duration, is_sync: flags & 0x1_0000 == 0, bytes });
            decode += i64::from(duration);
            at += size;
        }
    }
    samples
}
