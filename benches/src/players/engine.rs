//! The loop that brings players, asks and reads for them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::Args;
use super::list::{Playlist, resolve};
use super::player::{Phase, Player, Read, What};
use super::report::{Report, Tally};
use crate::checker::Counts;
use crate::clock::{Mono, whole};
use crate::http;
use crate::proc::Process;
use crate::sys::{Interest, Poller};

/// How long the loop sleeps at most: what is due in between is late by at most so much.
const TICK: Duration = Duration::from_millis(1);

/// Players brought before the others have their turn.
const BATCH: usize = 64;

/// Discarded in one call at most.
const BUFFER: usize = 1 << 20;

/// How long the server may take to have enough segments.
const START: Duration = Duration::from_mins(1);

/// Until a player asks again that was refused or lost its connection, in seconds.
const AGAIN: f64 = 0.5;

/// All players and what is known about them.
pub(super) struct Engine<'a> {
    args: &'a Args,
    server: SocketAddr,
    path: String,
    poller: Poller,
    ready: Vec<(u64, Interest)>,
    players: Vec<Player>,
    /// When an idle player asks for the playlist.
    due: BinaryHeap<Reverse<(Mono, usize)>>,
    buffer: Vec<u8>,
    /// How long the first player found each segment that some player may still ask for.
    lengths: HashMap<u64, u64>,
    tally: Tally,
}

impl<'a> Engine<'a> {
    pub(super) fn new(args: &'a Args) -> anyhow::Result<Self> {
        let (server, path) = http::split_url(&args.url)?;
        Ok(Self {
            args,
            server,
            path,
            poller: Poller::new()?,
            ready: Vec::new(),
            players: Vec::new(),
            due: BinaryHeap::new(),
            buffer: vec![0; BUFFER],
            lengths: HashMap::new(),
            tally: Tally::default(),
        })
    }

    /// Waits for segments, brings the players, warms up, measures, and reports.
    pub(super) fn run(mut self) -> anyhow::Result<Report> {
        let args = self.args;
        self.wait()?;
        let begin = Mono::now();
        while self.players.len() < args.players {
            let wanted = whole(Mono::now().since(begin) * args.ramp.max(0.1));
            self.bring(usize::try_from(wanted)?.min(args.players))?;
            self.turn()?;
        }
        self.turn_until(Mono::now().plus(args.warm_up))?;
        self.tally.begin(args.pid.map(Process::read).transpose()?);
        for player in &mut self.players {
            player.bytes = 0;
        }
        let start = Mono::now();
        self.turn_until(start.plus(args.duration))?;
        let now = Mono::now();
        let after = args.pid.map(Process::read).transpose()?;
        let mut checked = Counts::default();
        for player in &mut self.players {
            player.course.look(now);
            self.tally.bytes += player.bytes;
            if let Some(checker) = &player.checker {
                checked.add(checker.counts());
            }
            if player.is_out_of_step {
                self.tally.fail("a segment does not begin with a packet");
            }
        }
        let courses = self.players.iter().map(|player| &player.course);
        Ok(self.tally.report(now.since(start), courses, checked, after))
    }

    /// Until there are enough segments to begin with. Who asks first opens the channel.
    fn wait(&self) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            let list = http::get(self.server, &self.path).ok().and_then(|text| Playlist::parse(&text));
            if list.is_some_and(|list| list.segments.len() >= self.args.ready) {
                return Ok(());
            }
            if begin.elapsed() > START {
                bail!("{} has not {} segments", self.args.url, self.args.ready);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn bring(&mut self, count: usize) -> anyhow::Result<()> {
        for _ in 0..BATCH {
            let number = self.players.len();
            if number >= count {
                break;
            }
            self.players.push(Player::new(number.is_multiple_of(self.args.check_every.max(1)), Mono::now()));
            self.ask(number)?;
        }
        Ok(())
    }

    fn turn_until(&mut self, end: Mono) -> anyhow::Result<()> {
        while Mono::now() < end {
            self.turn()?;
        }
        Ok(())
    }

    /// Waits a moment and does what is due.
    fn turn(&mut self) -> anyhow::Result<()> {
        let mut ready = std::mem::take(&mut self.ready);
        self.poller.wait(TICK, &mut ready)?;
        for &(token, _) in &ready {
            self.visit(usize::try_from(token)?)?;
        }
        self.ready = ready;
        let now = Mono::now();
        while let Some(&Reverse((at, number))) = self.due.peek() {
            if at > now {
                break;
            }
            self.due.pop();
            self.ask(number)?;
        }
        Ok(())
    }

    /// Asks for what this player needs next, over a new connection if it has none.
    fn ask(&mut self, number: usize) -> anyhow::Result<()> {
        let player = &mut self.players[number];
        if player.socket.is_none() {
            let socket = player.connect(self.server, number).context("cannot connect")?;
            self.poller.add(socket, number as u64, Interest::OUT).context("cannot wait for a socket")?;
        }
        let wanted = player.course.wanted().map(|entry| resolve(&self.path, &entry.uri));
        player.what = if wanted.is_some() { What::Segment } else { What::Playlist };
        let path = wanted.as_ref().unwrap_or(&self.path);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: forebay-bench\r\nAccept: */*\r\n\r\n",
            self.server
        );
        let is_away = matches!(player.phase, Phase::Away);
        match player.ask(request.as_bytes(), Mono::now()) {
            Ok(is_asked) => {
                // What cannot be sent now is, when the connection stands.
                if let (true, true, Some(socket)) = (is_asked, is_away, &player.socket) {
                    self.poller.modify(socket, number as u64, Interest::IN)?;
                }
                Ok(())
            }
            Err(error) => {
                self.broken(number, &error.to_string());
                Ok(())
            }
        }
    }

    fn visit(&mut self, number: usize) -> anyhow::Result<()> {
        let now = Mono::now();
        let player = &mut self.players[number];
        if matches!(player.phase, Phase::Away) {
            return self.ask(number);
        }
        let is_idle = matches!(player.phase, Phase::Idle);
        match player.read(&mut self.buffer, now) {
            Ok(Read::Open) => Ok(()),
            Ok(Read::Whole(status)) => self.answered(number, status, now),
            Ok(Read::Closed) if is_idle => {
                // Any server may do that between two answers. It is asked again when that is due.
                player.socket = None;
                player.phase = Phase::Away;
                self.tally.reconnects += 1;
                Ok(())
            }
            Ok(Read::Closed) => {
                self.broken(number, "closed in an answer");
                Ok(())
            }
            Ok(Read::Strange) => {
                self.broken(number, "an answer of another kind");
                Ok(())
            }
            Err(error) => {
                self.broken(number, &error.to_string());
                Ok(())
            }
        }
    }

    /// The connection is of no more use.
    fn broken(&mut self, number: usize, why: &str) {
        let player = &mut self.players[number];
        player.socket = None;
        player.phase = Phase::Away;
        self.tally.fail(why);
        self.tally.reconnects += 1;
        self.due.push(Reverse((Mono::now().plus(AGAIN), number)));
    }

    /// A whole answer has come.
    fn answered(&mut self, number: usize, status: u16, now: Mono) -> anyhow::Result<()> {
        let player = &mut self.players[number];
        let took = now.0.saturating_sub(player.asked.0);
        match (player.what, status) {
            (What::Segment, 200) => {
                let is_first = !player.course.has_begun();
                let entry = player.course.done(true, now).context("nothing was wanted")?;
                if is_first {
                    self.tally.start_times.record(now.0.saturating_sub(player.came.0));
                }
                if self.tally.is_measuring {
                    self.tally.segment_times.record(took);
                }
                let length = *self.lengths.entry(entry.number).or_insert(player.length);
                if length != player.length || !length.is_multiple_of(188) {
                    self.tally.fail("a segment is of another length");
                }
            }
            (What::Playlist, 200) => {
                if self.tally.is_measuring {
                    self.tally.playlist_times.record(took);
                }
                let list = String::from_utf8_lossy(&player.text);
                if let Some(list) = Playlist::parse(&list) {
                    // As often as is allowed (RFC 8216, section 6.3.4).
                    let share = if player.course.listed(&list) { 1.0 } else { 0.5 };
                    player.polls = player.asked.plus(list.target * share);
                } else {
                    self.tally.fail("no playlist");
                    player.polls = now.plus(AGAIN);
                }
            }
            (what, status) => {
                self.tally.refuse(if what == What::Segment { "segment" } else { "playlist" }, status);
                if what == What::Segment {
                    player.course.done(false, now);
                }
                player.polls = now.plus(AGAIN);
            }
        }
        if player.course.wanted().is_some() {
            return self.ask(number);
        }
        self.due.push(Reverse((player.polls.max(now), number)));
        Ok(())
    }
}
