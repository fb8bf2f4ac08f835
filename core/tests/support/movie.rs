//! Writes MP4 files sample by sample, with tables as long as they may be.
#![allow(dead_code, reason = "not everybody needs all of it")]

/// One sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) duration: u32,
    pub(crate) offset: i32,
    pub(crate) size: u32,
    pub(crate) is_sync: bool,
}

/// One track.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    pub(crate) is_video: bool,
    pub(crate) timescale: u32,
    pub(crate) samples: Vec<Sample>,
    /// Samples that lie behind each other before another track has its turn.
    pub(crate) per_chunk: usize,
    /// Duration in thousandths and place in the media.
    pub(crate) edits: Vec<(u32, i32)>,
}

/// A file but for its payload, and where the payload of each sample is.
#[derive(Debug)]
pub(crate) struct Movie {
    /// `ftyp`, `moov` and the beginning of `mdat`.
    pub(crate) head: Vec<u8>,
    /// Of each track, where each sample lies.
    pub(crate) places: Vec<Vec<u64>>,
    /// Bytes of the whole file.
    pub(crate) length: u64,
}

impl Movie {
    /// Chunks lie in the order in which they are decoded.
    pub(crate) fn write(tracks: &[Track]) -> Self {
        let mut chunks: Vec<(f64, usize, usize)> = Vec::new();
        for (at, track) in tracks.iter().enumerate() {
            let mut time = 0.0;
            for (first, sample) in track.samples.iter().enumerate() {
                if first % track.per_chunk == 0 {
                    chunks.push((time, at, first));
                }
                time += f64::from(sample.duration) / f64::from(track.timescale);
            }
        }
        chunks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut places: Vec<Vec<u64>> = tracks.iter().map(|_| Vec::new()).collect();
        let mut at = 0;
        for (_, track, first) in chunks {
            let Track { samples, per_chunk, .. } = &tracks[track];
            for sample in samples.iter().skip(first).take(*per_chunk) {
                places[track].push(at);
                at += u64::from(sample.size);
            }
        }
        let wide = at > u64::from(u32::MAX) / 2;
        let begins = 16 + movie(tracks, &places, wide).len() as u64 + 16;
        places.iter_mut().flatten().for_each(|place| *place += begins);
        let mut head = make(*b"ftyp", b"isom\0\0\0\0");
        head.extend(movie(tracks, &places, wide));
        head.extend([0, 0, 0, 1, b'm', b'd', b'a', b't']);
        head.extend((at + 16).to_be_bytes());
        assert_eq!(head.len() as u64, begins, "the payload begins behind the head");
        Self { head, places, length: begins + at }
    }

    /// The whole file; each byte tells where it is.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        bytes.extend((self.head.len() as u64..self.length).map(payload));
        bytes
    }
}

/// The byte at this place of a payload.
pub(crate) fn payload(at: u64) -> u8 {
    at.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0]
}

fn number<T: TryInto<u32, Error: std::fmt::Debug>>(value: T) -> u32 {
    value.try_into().expect("films of tests have numbers of four bytes")
}

fn make(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    [&number(body.len() + 8).to_be_bytes()[..], &kind, body].concat()
}

fn full(kind: [u8; 4], numbers: &[u32]) -> Vec<u8> {
    make(kind, &numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>())
}

fn movie(tracks: &[Track], places: &[Vec<u64>], wide: bool) -> Vec<u8> {
    let header = full(*b"mvhd", &[&[0, 0, 0, 1000, 0][..], &[0; 20]].concat());
    let tracks =
        tracks.iter().zip(places).zip(1..).map(|((track, places), id)| write_track(track, places, id, wide));
    make(*b"moov", &[header].into_iter().chain(tracks).flatten().collect::<Vec<u8>>())
}

fn write_track(track: &Track, places: &[u64], id: u32, wide: bool) -> Vec<u8> {
    let header = full(*b"tkhd", &[&[0, 0, 0, id][..], &[0; 15], &[640 << 16, 360 << 16]].concat());
    let edits: Vec<u32> =
        track.edits.iter().flat_map(|&(span, begins)| [span, begins.cast_unsigned(), 1 << 16]).collect();
    let edits = [&[0, number(track.edits.len())], &edits[..]].concat();
    let media = full(*b"mdhd", &[0, 0, 0, track.timescale, 0, 0x55C4_0000]);
    let kind: &[u8] = if track.is_video { b"vide" } else { b"soun" };
    let handler = [&[0; 8], kind, &[0; 13]].concat();
    let entry = if track.is_video {
        make(*b"avc1", &[&[0; 78][..], &make(*b"avcC", &[1, 0x4D, 0x40, 0x1F, 0xFF, 0xE0, 0])].concat())
    } else {
        make(*b"ac-3", &[&[0; 28][..], &make(*b"dac3", &[0; 3])].concat())
    };
    let tables = [
        make(*b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], &entry[..]].concat()),
        runs(*b"stts", track.samples.iter().map(|sample| sample.duration)),
        runs(*b"ctts", track.samples.iter().map(|sample| sample.offset.cast_unsigned())),
        syncs(&track.samples),
        full(*b"stsc", &[0, 1, 1, number(track.per_chunk), 1]),
        sizes(&track.samples),
        chunks(places, track.per_chunk, wide),
    ];
    let tables = make(*b"minf", &make(*b"stbl", &tables.concat()));
    let edits = make(*b"edts", &full(*b"elst", &edits));
    make(
        *b"trak",
        &[header, edits, make(*b"mdia", &[media, make(*b"hdlr", &handler), tables].concat())].concat(),
    )
}

fn runs(kind: [u8; 4], values: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut runs: Vec<[u32; 2]> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some([count, last]) if *last == value => *count += 1,
            _ => runs.push([1, value]),
        }
    }
    full(kind, &[&[0, number(runs.len())], runs.as_flattened()].concat())
}

fn syncs(samples: &[Sample]) -> Vec<u8> {
    if samples.iter().all(|sample| sample.is_sync) {
        return Vec::new();
    }
    let numbers: Vec<u32> =
        (1..).zip(samples).filter(|(_, sample)| sample.is_sync).map(|(number, _)| number).collect();
    full(*b"stss", &[&[0, number(numbers.len())], &numbers[..]].concat())
}

fn sizes(samples: &[Sample]) -> Vec<u8> {
    let sizes: Vec<u32> = samples.iter().map(|sample| sample.size).collect();
    full(*b"stsz", &[&[0, 0, number(sizes.len())], &sizes[..]].concat())
}

fn chunks(places: &[u64], per_chunk: usize, wide: bool) -> Vec<u8> {
    let places: Vec<u64> = places.iter().step_by(per_chunk).copied().collect();
    let count = number(places.len());
    if wide {
        let numbers =
            places.iter().flat_map(|place| [number(place >> 32), number(place & u64::from(u32::MAX))]);
        return full(*b"co64", &[0, count].into_iter().chain(numbers).collect::<Vec<_>>());
    }
    full(
        *b"stco",
        &[0, count].into_iter().chain(places.iter().map(|&place| number(place))).collect::<Vec<_>>(),
    )
}
