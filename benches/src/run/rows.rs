//! What a hundred thousand channels in the database cost: a start, memory, lists, searches,
//! joins.
//!
//! One server has a few channels in its configuration, and then as many relays beside them. What
//! is measured of rows is measured of the configuration's channels, too, in turn.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::program::{self, Placement, Program};
use crate::proc::Process;
use crate::stats::median;

/// Who create relays at the same time.
const WRITERS: usize = 20;

/// How many of the first and of the last relays are timed.
const TIMED: usize = 1_000;

/// Channels that are opened for the first time, of each kind.
const FIRST_JOINS: usize = 30;

/// Who join an open channel at the same time, and for how long.
const JOINERS: usize = 4;
const JOINING: Duration = Duration::from_secs(3);

/// How often each answer is asked for.
const ASKED: usize = 9;

/// Longer than anything here takes, the fill of an older build excepted.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many relays there are.
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// The server; by default the `forebay` beside this program.
    #[arg(long)]
    server: Option<PathBuf>,
}

/// Where everything of one server is.
struct House {
    folder: PathBuf,
    binary: PathBuf,
    placement: Placement,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let binary = args.server.clone().map_or_else(program::default_server, Ok)?;
    let house = House { folder: program::run_folder()?, binary, placement: Placement::new(false)? };
    // The first start makes the database.
    drop(house.start()?);
    let (empty, begun) = house.start()?;
    writeln!(out, "empty: start {:.0} ms, resident {:.1} MB", millis(begun), resident(&empty)?)?;
    fill(&house, &empty, args.rows, &mut out)?;
    writeln!(out, "resident after that {:.1} MB", resident(&empty)?)?;
    drop(empty);

    let (server, begun) = house.start()?;
    writeln!(
        out,
        "{} rows: start {:.0} ms, resident {:.1} MB",
        args.rows,
        millis(begun),
        resident(&server)?
    )?;
    let address = server.address;
    let last = args.rows - 1;
    for path in [
        "/playlist.m3u".to_owned(),
        "/playlist.m3u?group=Group+7".to_owned(),
        "/api/channels".to_owned(),
        format!("/api/channels?offset={last}"),
        format!("/api/channels/r{last}"),
        "/api/channels?search=channel".to_owned(),
        format!("/api/channels?search=channel+{last}"),
        "/api/channels?search=no+such".to_owned(),
    ] {
        let asked: Vec<Timed> = (0..ASKED).map(|_| timed(address, &path)).collect::<anyhow::Result<_>>()?;
        let [first, whole] =
            [|it: &Timed| it.first, |it: &Timed| it.whole].map(|of| middle(asked.iter().map(of).collect()));
        let bytes = asked[0].bytes;
        writeln!(out, "{path:32} first byte {first:.1} ms, whole {whole:.1} ms, {bytes} bytes")?;
    }
    writeln!(out, "resident after lists {:.1} MB", resident(&server)?)?;
    joins(address, &mut out)?;
    first_joins(address, last, &mut out)?;
    writeln!(out, "resident at the end {:.1} MB", resident(&server)?)?;
    Ok(())
}

impl House {
    /// Starts the server; how long that took until it answered. Its socket is there before that,
    /// and before its admin token, too.
    fn start(&self) -> anyhow::Result<(Program, Duration)> {
        let begun = Instant::now();
        let file = self.folder.join("channels.toml");
        let server = Program::server(&self.placement, &self.folder.join("rows.log"), |listen| {
            let mut text = program::configuration(listen, listen, 0, "allow_private_sources = true");
            for at in 0..=FIRST_JOINS {
                let _ = write!(text, "[[channels]]\nid = \"f{at}\"\nsources = [\"testcard://\"]\n");
            }
            program::forebay(&self.binary, &file, &text)
        })?;
        timed(server.address, "/health")?;
        Ok((server, begun.elapsed()))
    }
}

/// Creates so many relays by the API, and says how that went.
fn fill(house: &House, server: &Program, rows: usize, out: &mut impl Write) -> anyhow::Result<()> {
    let token = fs::read_to_string(house.folder.join("hls_cache/admin.token")).context("no admin.token")?;
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let took = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::connect(server.address, token.trim())?;
                    let (mut first, mut last) = (Vec::new(), Vec::new());
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= rows {
                            return anyhow::Ok((first, last));
                        }
                        let took = client.create(at)?;
                        if at < TIMED {
                            first.push(millis(took));
                        }
                        if at >= rows.saturating_sub(TIMED) {
                            last.push(millis(took));
                        }
                    }
                })
            })
            .collect();
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for writer in writers {
            let took = writer.join().expect("writing does not panic")?;
            first.extend(took.0);
            last.extend(took.1);
        }
        anyhow::Ok((first, last))
    })?;
    let rate = rows as f64 / begun.elapsed().as_secs_f64();
    let (first, last) = (middle(took.0), middle(took.1));
    writeln!(
        out,
        "created {rows} by {WRITERS}: {rate:.0}/s; one takes {first:.1} ms at first, {last:.1} ms at last"
    )?;
    Ok(())
}

/// A connection that stays open.
struct Client<'a> {
    stream: BufReader<TcpStream>,
    token: &'a str,
    server: SocketAddr,
}

impl<'a> Client<'a> {
    fn connect(server: SocketAddr, token: &'a str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), token, server })
    }

    /// Creates one relay; how long that took.
    fn create(&mut self, at: usize) -> anyhow::Result<Duration> {
        let group = at % 100;
        let body = format!(
            "{{\"output_path\":\"r{at}\",\"name\":\"Channel {at}\",\"number\":{},\"group\":\"Group {group}\",\
             \"logo\":\"http://logos.example/r{at}.png\",\"source_urls\":[\"testcard://\"]}}",
            at + 1
        );
        let Self { stream, token, server } = self;
        let request = format!(
            "POST /api/relays HTTP/1.1\r\nHost: {server}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let begun = Instant::now();
        stream.get_mut().write_all(request.as_bytes())?;
        let (mut line, mut length) = (String::new(), 0);
        stream.read_line(&mut line)?;
        ensure!(line.starts_with("HTTP/1.1 201"), "relay {at} was answered with {line}");
        while line.trim() != "" {
            line.clear();
            stream.read_line(&mut line)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        stream.read_exact(&mut vec![0; length])?;
        Ok(begun.elapsed())
    }
}

/// What an answer took, in milliseconds, and its length.
struct Timed {
    first: f64,
    whole: f64,
    bytes: usize,
}

fn timed(server: SocketAddr, path: &str) -> anyhow::Result<Timed> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let begun = Instant::now();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = vec![0; 12];
    socket.read_exact(&mut bytes)?;
    let first = millis(begun.elapsed());
    ensure!(bytes.ends_with(b" 200"), "{path}: {}", String::from_utf8_lossy(&bytes));
    socket.read_to_end(&mut bytes)?;
    Ok(Timed { first, whole: millis(begun.elapsed()), bytes: bytes.len() })
}

/// Joins an open channel of either kind again and again.
fn joins(server: SocketAddr, out: &mut impl Write) -> anyhow::Result<()> {
    let _open = (join(server, "f0")?, join(server, "r0")?);
    let (mut file, mut row) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        file.push(joins_a_second(server, "f0")?);
        row.push(joins_a_second(server, "r0")?);
    }
    let (file, row) = (middle(file), middle(row));
    writeln!(
        out,
        "joins of an open channel: {file:.0}/s of a file's, {row:.0}/s of a row's: {:.2}",
        row / file
    )?;
    Ok(())
}

fn joins_a_second(server: SocketAddr, channel: &str) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let count = thread::scope(|scope| {
        let joiners: Vec<_> = (0..JOINERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while begun.elapsed() < JOINING {
                        join(server, channel)?;
                        count += 1;
                    }
                    anyhow::Ok(count)
                })
            })
            .collect();
        joiners
            .into_iter()
            .map(|joiner| joiner.join().expect("joining does not panic"))
            .sum::<anyhow::Result<usize>>()
    })?;
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// Opens channels for the first time, of either kind in turn.
fn first_joins(server: SocketAddr, last: usize, out: &mut impl Write) -> anyhow::Result<()> {
    let (mut file, mut row) = (Vec::new(), Vec::new());
    for at in 1..=FIRST_JOINS {
        for (channel, took) in
            [(format!("f{at}"), &mut file), (format!("r{}", last * at / FIRST_JOINS), &mut row)]
        {
            let begun = Instant::now();
            drop(join(server, &channel)?);
            took.push(millis(begun.elapsed()));
        }
    }
    let (file, row) = (middle(file), middle(row));
    writeln!(
        out,
        "first join: {file:.2} ms of a file's channel, {row:.2} ms of a row's: {:+.2}",
        row - file
    )?;
    Ok(())
}

/// Watches a channel: the connection, once the answer has begun.
fn join(server: SocketAddr, channel: &str) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(socket, "GET /stream/{channel}.ts HTTP/1.1\r\nHost: {server}\r\n\r\n")?;
    let mut first = [0; 12];
    socket.read_exact(&mut first)?;
    ensure!(first.ends_with(b" 200"), "{channel}: {}", String::from_utf8_lossy(&first));
    Ok(socket)
}

fn resident(server: &Program) -> anyhow::Result<f64> {
    Ok(Process::read(server.pid())?.rss_bytes as f64 / 1e6)
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    median(&values).unwrap_or(f64::NAN)
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
