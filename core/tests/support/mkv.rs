//! Writes Matroska files block by block, in the ways in which muxers do (RFC 9559). It shares no
//! code with what it judges.
#![allow(dead_code, reason = "not everybody needs all of it")]

/// A picture, or a frame of sound.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// When it is shown, in thousandths of a second.
    pub(crate) time: i64,
    /// When it has its turn in the file.
    pub(crate) turn: i64,
    pub(crate) is_key: bool,
    pub(crate) size: usize,
}

/// How frames of sound are put into one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacing {
    None,
    Xiph,
    Ebml,
    Fixed,
}

/// How a file is written.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "muxers differ in each")]
pub(crate) struct Style {
    pub(crate) has_cues: bool,
    /// Whether cues say where in a cluster their block is.
    pub(crate) has_relative: bool,
    /// Clusters and the segment have no size.
    pub(crate) is_live: bool,
    /// Blocks are in groups of their own.
    pub(crate) has_groups: bool,
    pub(crate) lacing: Lacing,
    /// Thousandths of a second of a cluster. It does not wait for a key frame.
    pub(crate) cluster: i64,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            has_cues: true,
            has_relative: true,
            is_live: false,
            has_groups: false,
            lacing: Lacing::None,
            cluster: 5000,
        }
    }
}

/// Frames of sound in a block, where they are laced.
pub(crate) const LACED: usize = 4;

const VIDEO: u8 = 1;
const AUDIO: u8 = 2;

/// An element of this id.
fn make(id: u32, content: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes();
    let zeros = id.iter().take_while(|&&byte| byte == 0).count();
    let size = (content.len() as u64 | 1 << 56).to_be_bytes();
    [&id[zeros..], &size, content].concat()
}

fn open(id: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]].concat()
}

fn number(id: u32, value: u64) -> Vec<u8> {
    make(id, &value.to_be_bytes())
}

fn tracks() -> Vec<u8> {
    let avcc = [1, 0x4D, 0x40, 0x1F, 0xFF, 0xE0, 0];
    let size = [number(0xB0, 640), number(0xBA, 360)].concat();
    let video = [
        number(0xD7, VIDEO.into()),
        number(0x83, 1),
        make(0x86, b"V_MPEG4/ISO/AVC"),
        make(0x63A2, &avcc),
        make(0xE0, &size),
    ];
    let rate = [make(0xB5, &48_000_f64.to_be_bytes()), number(0x9F, 2)].concat();
    let audio = [
        number(0xD7, AUDIO.into()),
        number(0x83, 2),
        make(0x86, b"A_AAC"),
        make(0x63A2, &[0x11, 0x90]),
        make(0x22_B59C, b"ger"),
        make(0xE1, &rate),
    ];
    let text = [number(0xD7, 3), number(0x83, 17), make(0x86, b"S_TEXT/UTF8")];
    let entries = [make(0xAE, &video.concat()), make(0xAE, &audio.concat()), make(0xAE, &text.concat())];
    make(0x1654_AE6B, &entries.concat())
}

/// The bytes of a frame: each tells which it is.
pub(crate) fn payload(track: u8, index: usize, size: usize) -> Vec<u8> {
    let seed = (index * 2 + usize::from(track)).wrapping_mul(0x9E37_79B9);
    (0..size).map(|at| (seed.wrapping_add(at * 7) >> 3).to_le_bytes()[0]).collect()
}

/// A block of these frames.
fn block(track: u8, offset: i64, flags: u8, lacing: Lacing, frames: &[Vec<u8>]) -> Vec<u8> {
    let offset = i16::try_from(offset).expect("clusters are short").to_be_bytes();
    let bits = match lacing {
        Lacing::None => 0,
        Lacing::Xiph => 0x02,
        Lacing::Fixed => 0x04,
        Lacing::Ebml => 0x06,
    };
    let mut body = vec![0x80 | track, offset[0], offset[1], flags | bits];
    if lacing != Lacing::None {
        body.push(u8::try_from(frames.len() - 1).expect("few frames"));
    }
    let sizes: Vec<usize> = frames.iter().map(Vec::len).collect();
    for (at, &size) in sizes[..sizes.len() - 1].iter().enumerate() {
        match lacing {
            Lacing::Xiph => {
                body.extend(std::iter::repeat_n(255, size / 255));
                body.push(u8::try_from(size % 255).expect("a rest"));
            }
            Lacing::Ebml if at == 0 => {
                body.extend((u16::try_from(size).expect("small") | 0x4000).to_be_bytes());
            }
            Lacing::Ebml => {
                let step = i64::try_from(size).expect("small") - i64::try_from(sizes[at - 1]).expect("small");
                let moved = u16::try_from(step + 8191).expect("small steps") | 0x4000;
                body.extend(moved.to_be_bytes());
            }
            _ => {}
        }
    }
    body.extend(frames.concat());
    body
}

/// A file of pictures and sound.
pub(crate) fn write(video: &[Frame], audio: &[Frame], style: Style) -> Vec<u8> {
    let per_block = if style.lacing == Lacing::None { 1 } else { LACED };
    // Written in turn: track, first frame, frames.
    let mut items: Vec<(i64, u8, usize, usize)> = Vec::new();
    items.extend(video.iter().enumerate().map(|(at, frame)| (frame.turn, VIDEO, at, 1)));
    for (at, frames) in audio.chunks(per_block).enumerate() {
        items.push((frames[0].turn, AUDIO, at * per_block, frames.len()));
    }
    items.sort_by_key(|item| (item.0, item.1));
    let mut out = make(0x1A45_DFA3, &make(0x4282, b"matroska"));
    let segment = out.len();
    out.extend(open(0x1853_8067));
    let begin = out.len();
    let seek = [make(0x53AB, &0x1C53_BB6B_u32.to_be_bytes()), number(0x53AC, 0)].concat();
    out.extend(make(0x114D_9B74, &make(0x4DBB, &seek)));
    let position = out.len() - 8;
    out.extend(make(0x1549_A966, &number(0x2A_D7B1, 1_000_000)));
    out.extend(tracks());
    let mut cues = Vec::new();
    let mut rest = &items[..];
    while let Some(&(_, track, at, _)) = rest.first() {
        let time = if track == VIDEO { video[at].time } else { audio[at].time };
        let base = (time - 500).max(0);
        let until = items[items.len() - rest.len()].0 + style.cluster;
        let count = rest.iter().take_while(|item| item.0 < until).count().max(1);
        let cluster = out.len() - begin;
        let mut body = number(0xE7, u64::try_from(base).expect("positive"));
        for &(_, track, at, frames) in &rest[..count] {
            let of = if track == VIDEO { video } else { audio };
            let relative = body.len();
            let bytes: Vec<Vec<u8>> =
                (at..at + frames).map(|index| payload(track, index, of[index].size)).collect();
            let lacing = if track == AUDIO { style.lacing } else { Lacing::None };
            let (offset, is_key) = (of[at].time - base, of[at].is_key);
            if style.has_groups {
                let inner = make(0xA1, &block(track, offset, 0, lacing, &bytes));
                let reference = if is_key { Vec::new() } else { make(0xFB, &[0xFF]) };
                body.extend(make(0xA0, &[inner, reference].concat()));
            } else {
                let flags = if is_key { 0x80 } else { 0 };
                body.extend(make(0xA3, &block(track, offset, flags, lacing, &bytes)));
            }
            if is_key && track == VIDEO {
                let mut positions = [number(0xF7, VIDEO.into()), number(0xF1, cluster as u64)].concat();
                if style.has_relative {
                    positions.extend(number(0xF0, relative as u64));
                }
                let time = number(0xB3, u64::try_from(of[at].time).expect("positive"));
                cues.extend(make(0xBB, &[time, make(0xB7, &positions)].concat()));
            }
        }
        if style.is_live {
            out.extend(open(0x1F43_B675));
            out.extend(body);
        } else {
            out.extend(make(0x1F43_B675, &body));
        }
        rest = &rest[count..];
    }
    if style.has_cues {
        let at = (out.len() - begin) as u64;
        out[position..position + 8].copy_from_slice(&at.to_be_bytes());
        out.extend(make(0x1C53_BB6B, &cues));
    }
    if !style.is_live {
        let size = ((out.len() - begin) as u64 | 1 << 56).to_be_bytes();
        out[segment + 4..segment + 12].copy_from_slice(&size);
    }
    out
}
