//! Any bytes as the file of a film: what is indexed has segments of samples that are in the file.
#![no_main]

use std::ops::Range;
use std::time::Duration;

use forebay_core::index::{Film, Indexer, SampleReader};
use forebay_core::manifest::{self, Addresses, Rendition};
use forebay_core::package;
use libfuzzer_sys::fuzz_target;

/// Segments that are made of one film: each is made in the same way.
const MOST: usize = 16;

fuzz_target!(|data: &[u8]| {
    let mut indexer = Indexer::new(data.len() as u64, Duration::from_secs(6));
    while let Ok(Some(range)) = indexer.poll_read() {
        indexer.handle_bytes(part(data, range)).expect("what was asked for is there");
    }
    if let Some(film) = indexer.into_film() {
        check(&film, data);
    }
});

fn part(data: &[u8], range: Range<u64>) -> Vec<u8> {
    let place = |at: u64| usize::try_from(at).expect("the input is short");
    data[place(range.start)..place(range.end)].to_vec()
}

fn check(film: &Film, data: &[u8]) {
    let whole: Duration = (0..film.segments()).map(|n| film.duration(n)).sum();
    assert!(whole <= film.total() + Duration::from_micros(1), "segments make up the film");
    assert!(manifest::master(film, &[]).starts_with("#EXTM3U\n"));
    let addresses = Addresses { base: "", query: "" };
    assert!(manifest::manifest(film, &[], &[], addresses).ends_with("</MPD>\n"));
    let tracks = Rendition::Main.tracks(film);
    assert!(!package::init(film, &tracks).is_empty());
    for n in 0..film.segments().min(MOST) {
        let mut reader = SampleReader::new(film, n, &tracks);
        loop {
            match reader.poll_read() {
                Ok(Some(range)) => {
                    reader.handle_bytes(part(data, range)).expect("what was asked for is there");
                }
                Ok(None) => break,
                // Of some files little is read before: a block may be damaged.
                Err(_) => return,
            }
        }
        let samples = reader.into_samples();
        let segment = package::fragment(film, n, &tracks, &samples);
        assert!(segment.ranges.iter().all(|range| range.start < range.end && range.end <= data.len() as u64));
    }
}
