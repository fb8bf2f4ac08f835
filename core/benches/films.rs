//! What it costs to index a film that was never opened: milliseconds of one core, and memory.
//!
//! The films have a day, eight and two hours of pictures at 25 a second, with a key frame every two
//! seconds, and sound of 48 kHz. Their payload is a hole. The tables of the longest have 100 MB:
//! every sample is a chunk of its own. Each film is indexed in a process of its own, since what one
//! has freed the next would use. Run with `cargo bench -p forebay-core --bench films`.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

#[path = "../tests/support/movie.rs"]
mod movie;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use forebay_core::index::{Film, Indexer};
use forebay_testkit::linear::processor_time;
use movie::{Movie, Sample, Track};

/// How often each film is indexed: the median counts.
const ROUNDS: usize = 9;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [scenario, path] = &arguments[..]
        && scenario == "index"
    {
        return measure(Path::new(path));
    }
    let folder = std::env::temp_dir().join(format!("forebay-films-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    for hours in [2, 8, 24] {
        let path = folder.join(format!("{hours}.mp4"));
        write(&path, hours)?;
        let output = Command::new(std::env::current_exe()?).arg("index").arg(&path).output()?;
        print!("{hours:>2} h: {}", String::from_utf8_lossy(&output.stdout));
        io::stderr().write_all(&output.stderr)?;
    }
    std::fs::remove_dir_all(folder)
}

fn write(path: &Path, hours: u32) -> io::Result<()> {
    let picture = |index: u32| Sample {
        duration: 3600,
        offset: [7200, 10_800, 3600][index as usize % 3],
        size: 16_000 + index % 1000,
        is_sync: index.is_multiple_of(50),
    };
    let frame = |index: u32| Sample { duration: 1024, offset: 0, size: 300 + index % 100, is_sync: true };
    let per_chunk = if hours == 24 { 1 } else { 12 };
    let pictures = Track {
        is_video: true,
        timescale: 90_000,
        samples: (0..hours * 3600 * 25).map(picture).collect(),
        per_chunk,
        edits: vec![(0, 7200)],
    };
    let sound = Track {
        is_video: false,
        timescale: 48_000,
        samples: (0..hours * 3600 * 48_000 / 1024).map(frame).collect(),
        per_chunk,
        edits: vec![(0, 1024)],
    };
    let movie = Movie::write(&[pictures, sound]);
    let file = File::create(path)?;
    file.write_all_at(&movie.head, 0)?;
    file.set_len(movie.length)
}

fn measure(path: &Path) -> io::Result<()> {
    let before = memory("VmRSS")?;
    std::fs::write("/proc/self/clear_refs", "5")?;
    let mut times = Vec::new();
    let mut film = None;
    for _ in 0..ROUNDS {
        drop(film.take());
        let began = processor_time();
        film = Some(index(path)?);
        times.push(processor_time().saturating_sub(began));
    }
    let grown = memory("VmHWM")?.saturating_sub(before);
    times.sort();
    let film = film.expect("there is a round");
    println!(
        "{:>5.1} ms, {:>5.1} MB at most, {:>6.1} kB kept for {} segments",
        times[ROUNDS / 2].as_secs_f64() * 1000.0,
        f64::from(grown) / 1024.0,
        f64::from(u32::try_from(film.memory()).expect("it is small")) / 1000.0,
        film.segments()
    );
    Ok(())
}

fn index(path: &Path) -> io::Result<Film> {
    let file = File::open(path)?;
    let mut indexer = Indexer::new(file.metadata()?.len(), Duration::from_secs(6));
    while let Some(range) = indexer.poll_read().map_err(io::Error::other)? {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).expect("ranges are short")];
        file.read_exact_at(&mut bytes, range.start)?;
        indexer.handle_bytes(bytes).map_err(io::Error::other)?;
    }
    Ok(indexer.into_film().expect("nothing more is needed"))
}

/// A figure of this process, in KiB.
fn memory(name: &str) -> io::Result<u32> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name));
    let figure = line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok());
    figure.ok_or_else(|| io::Error::other("the kernel tells nothing of memory"))
}
