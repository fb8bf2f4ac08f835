//! The loop that brings viewers, reads for them, and takes them away.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;

use super::Args;
use super::progress::Progress;
use super::report::{Report, Tally};
use super::viewer::{Kind, Phase, Read, Viewer};
use crate::clock::{Mono, whole};
use crate::http;
use crate::proc::{self, Process};
use crate::sys::{Interest, Poller};

/// How long the loop sleeps at most: what is due in between is late by at most so much.
const TICK: Duration = Duration::from_millis(1);

/// Viewers brought, or visited, before the others have their turn.
const BATCH: usize = 256;

/// Discarded in one call at most. Checked viewers read in pieces of this buffer, too.
const BUFFER: usize = 1 << 20;

/// How often a slow reader reads.
const SLOW_EVERY: f64 = 0.1;

/// Who has no picture by then goes, and counts as failed.
const PATIENCE: f64 = 15.0;

/// A storm ends then, at the latest.
const STORM_LIMIT: f64 = 120.0;

/// Seconds that viewers of the churn stay, at least, and by how much longer at most.
const STAY: (f64, f64) = (0.2, 1.8);

/// A viewer's place and how often it has been given away: a name that is never used again.
type Token = u64;

/// All viewers and what is known about them.
pub(super) struct Engine<'a> {
    args: &'a Args,
    server: SocketAddr,
    requests: Vec<Vec<u8>>,
    poller: Poller,
    ready: Vec<(u64, Interest)>,
    viewers: Vec<(u32, Option<Viewer>)>,
    free: Vec<usize>,
    /// Who is visited in turn, where in the list the next visit is, and how many are due.
    swept: Vec<Token>,
    next_swept: usize,
    due: f64,
    slow: Vec<Token>,
    leaving: BinaryHeap<Reverse<(Mono, Token)>>,
    buffer: Vec<u8>,
    tally: Tally,
    /// Viewers begun: all, steady ones (slow ones included), of the churn, of the storm.
    begun: [u64; 4],
    storm_now: usize,
    random: u64,
}

impl<'a> Engine<'a> {
    pub(super) fn new(args: &'a Args) -> anyhow::Result<Self> {
        let (server, path) = http::split_url(&args.url)?;
        let request = |channel: usize| {
            let path = path.replace("{ch}", &channel.to_string());
            format!(
                "GET {path} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: forebay-bench\r\nAccept: */*\r\n\r\n"
            )
        };
        Ok(Self {
            args,
            server,
            requests: (0..args.channels.max(1)).map(|channel| request(channel).into_bytes()).collect(),
            poller: Poller::new()?,
            ready: Vec::new(),
            viewers: Vec::new(),
            free: Vec::new(),
            swept: Vec::new(),
            next_swept: 0,
            due: 0.0,
            slow: Vec::new(),
            leaving: BinaryHeap::new(),
            buffer: vec![0; BUFFER],
            tally: Tally::new(),
            begun: [0; 4],
            storm_now: 0,
            random: 0x9E37_79B9_7F4A_7C15,
        })
    }

    /// Brings the steady viewers, warms up, measures, and reports.
    pub(super) fn run(mut self) -> anyhow::Result<Report> {
        let args = self.args;
        let begin = Mono::now();
        let (steady, ramp) = if args.cold > 0 {
            (args.cold as u64, args.cold as f64 / args.within.max(0.001))
        } else {
            ((args.viewers + args.slow) as u64, args.ramp.max(0.1))
        };
        let mut progress = Progress::new(args.progress, begin);
        let mut last = begin;
        let mut step = |engine: &mut Self, warm: Option<Mono>| -> anyhow::Result<Mono> {
            let now = Mono::now();
            engine.bring_steady(steady.min(whole(now.since(begin) * ramp)))?;
            if let Some(warm) = warm {
                engine.bring_others(whole(now.since(warm) * args.churn))?;
            }
            engine.turn(now, now.since(last))?;
            last = now;
            progress.show(now, || {
                let viewers = engine.viewers.iter().filter_map(|(_, viewer)| viewer.as_ref());
                let gone = engine.tally.bytes_of_the_gone;
                let (count, bytes) =
                    viewers.fold((0, gone), |(count, sum), viewer| (count + 1, sum + viewer.bytes));
                (count, bytes, engine.tally.failures.values().sum())
            });
            Ok(now)
        };
        while self.begun[1] < steady {
            step(&mut self, None)?;
        }
        let arrived = Mono::now();
        while step(&mut self, Some(arrived))?.since(arrived) < args.warm_up {}
        let start = self.begin_window()?;
        let (mut end, is_storm) = (start.plus(args.duration), args.storm > 0);
        if is_storm {
            self.tally.storm_left = args.storm as u64;
            end = start.plus(STORM_LIMIT);
        }
        while step(&mut self, Some(arrived))? < end && !(is_storm && self.tally.storm_left == 0) {}
        self.end_window(start)
    }

    fn bring_steady(&mut self, count: u64) -> anyhow::Result<()> {
        for _ in 0..BATCH {
            if self.begun[1] >= count {
                break;
            }
            // The slow ones come first, so that whoever joins later does so beside them.
            let is_slow = self.begun[1] < self.args.slow as u64;
            let number = self.begun[1];
            self.begun[1] += 1;
            self.bring(if is_slow { Kind::Slow } else { Kind::Steady }, number)?;
        }
        Ok(())
    }

    fn bring_others(&mut self, churn: u64) -> anyhow::Result<()> {
        for _ in 0..BATCH {
            if self.begun[2] >= churn {
                break;
            }
            self.begun[2] += 1;
            self.bring(Kind::Churn, self.begun[2])?;
        }
        while self.tally.is_measuring
            && self.storm_now < self.args.concurrency
            && self.begun[3] < self.args.storm as u64
        {
            self.begun[3] += 1;
            self.bring(Kind::Storm, self.begun[3])?;
        }
        Ok(())
    }

    fn bring(&mut self, kind: Kind, number: u64) -> anyhow::Result<()> {
        let is_checked = match kind {
            Kind::Slow => true,
            Kind::Steady => is_chosen(number - self.args.slow as u64, self.args.check_every.max(1) as u64),
            Kind::Churn | Kind::Storm => false,
        };
        self.begun[0] += 1;
        let mut viewer = match Viewer::connect(self.server, self.begun[0], kind, is_checked) {
            Ok(viewer) => viewer,
            Err(error) => {
                self.tally.fail(kind, &error.to_string());
                return Ok(());
            }
        };
        self.storm_now += usize::from(kind == Kind::Storm);
        viewer.channel = usize::try_from(number)? % self.requests.len();
        let request = &self.requests[viewer.channel];
        // On the loopback the handshake is over when `connect` returns.
        let is_asked = match viewer.ask(request) {
            Ok(is_asked) => is_asked,
            Err(error) => {
                self.storm_now -= usize::from(kind == Kind::Storm);
                self.tally.fail(kind, &error.to_string());
                return Ok(());
            }
        };
        viewer.leaves = viewer.asked.plus(PATIENCE);
        let slot = self.free.pop().unwrap_or(self.viewers.len());
        if slot == self.viewers.len() {
            self.viewers.push((0, None));
        }
        let token = u64::from(self.viewers[slot].0) << 32 | slot as u64;
        let interest = if is_asked { Interest::IN | Interest::RDHUP } else { Interest::OUT };
        self.poller.add(&viewer.socket, token, interest).context("cannot wait for a socket")?;
        self.leaving.push(Reverse((viewer.leaves, token)));
        self.viewers[slot].1 = Some(viewer);
        Ok(())
    }

    /// Waits a moment and does what is due.
    fn turn(&mut self, now: Mono, elapsed: f64) -> anyhow::Result<()> {
        let sweep = (self.args.sweep / 1000.0).max(0.001);
        let all = self.swept.len() as f64;
        self.due = (self.due + all * elapsed / sweep).min(all);
        let wait = if self.due > BATCH as f64 { Duration::ZERO } else { TICK };
        let mut ready = std::mem::take(&mut self.ready);
        self.poller.wait(wait, &mut ready)?;
        for &(token, _) in &ready {
            self.visit(token, usize::MAX)?;
        }
        self.ready = ready;
        for _ in 0..BATCH {
            if self.due < 1.0 || self.swept.is_empty() {
                break;
            }
            self.due -= 1.0;
            self.next_swept %= self.swept.len();
            let token = self.swept[self.next_swept];
            if self.viewer(token).is_some() {
                self.visit(token, usize::MAX)?;
                self.next_swept += 1;
            } else {
                self.swept.swap_remove(self.next_swept);
            }
        }
        for at in 0..self.slow.len() {
            let token = self.slow[at];
            let Some(viewer) = self.viewer(token) else { continue };
            let since = viewer.first_byte.unwrap_or(viewer.asked);
            let due = whole(now.since(since) * self.args.slow_rate as f64).saturating_sub(viewer.bytes);
            if due as f64 >= self.args.slow_rate as f64 * SLOW_EVERY {
                self.visit(token, usize::try_from(due)?)?;
            }
        }
        while let Some(&Reverse((at, token))) = self.leaving.peek() {
            if at > now {
                break;
            }
            self.leaving.pop();
            if self.viewer(token).is_some_and(|viewer| viewer.leaves <= now) {
                self.remove(token, None);
            }
        }
        Ok(())
    }

    fn viewer(&self, token: Token) -> Option<&Viewer> {
        let (generation, viewer) = self.viewers.get(slot(token))?;
        viewer.as_ref().filter(|_| u64::from(*generation) == token >> 32)
    }

    /// Reads for one viewer, and notes what that led to.
    fn visit(&mut self, token: Token, limit: usize) -> anyhow::Result<()> {
        let now = Mono::now();
        let Some((generation, Some(viewer))) = self.viewers.get_mut(slot(token)) else { return Ok(()) };
        if u64::from(*generation) != token >> 32 {
            return Ok(());
        }
        if matches!(viewer.phase, Phase::Connecting) {
            return match viewer.ask(&self.requests[viewer.channel]) {
                Ok(false) => Ok(()),
                Ok(true) => Ok(self.poller.modify(&viewer.socket, token, Interest::IN | Interest::RDHUP)?),
                Err(error) => {
                    self.remove(token, Some(&error.to_string()));
                    Ok(())
                }
            };
        }
        let had = (viewer.first_byte.is_some(), viewer.first_key.is_some());
        let tally = &mut self.tally;
        let counts_age = tally.is_measuring && viewer.kind == Kind::Steady && viewer.stays_checked;
        let age = |nanos| {
            if counts_age {
                tally.age.record(nanos);
            }
        };
        let read = match viewer.read(&mut self.buffer, limit, now, age) {
            Ok(read) => read,
            Err(error) => {
                self.remove(token, Some(&error.to_string()));
                return Ok(());
            }
        };
        match read {
            Read::Open => {}
            Read::Closed => {
                self.remove(token, Some("closed by the server"));
                return Ok(());
            }
            Read::Refused(status) => {
                self.remove(token, Some(&format!("answered with status {status}")));
                return Ok(());
            }
        }
        if !had.0 && viewer.first_byte.is_some() {
            tally.first_byte(viewer);
            match viewer.kind {
                Kind::Storm => {
                    self.remove(token, None);
                    return Ok(());
                }
                Kind::Slow => {
                    self.poller.remove(&viewer.socket)?;
                    self.slow.push(token);
                }
                Kind::Steady | Kind::Churn => {}
            }
        }
        if !had.1 && viewer.first_key.is_some() {
            tally.first_key(viewer);
            viewer.leaves = Mono(u64::MAX);
            if viewer.kind == Kind::Churn {
                self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let share = (self.random >> 40) as f64 / f64::from(1 << 24);
                viewer.leaves = now.plus(STAY.0 + STAY.1 * share);
                self.leaving.push(Reverse((viewer.leaves, token)));
            }
            if !viewer.stays_checked {
                if let Some(checker) = viewer.checker.take() {
                    tally.checked(viewer.kind, checker.counts());
                }
                self.poller.remove(&viewer.socket)?;
                self.swept.push(token);
            }
        }
        Ok(())
    }

    /// Takes a viewer away: `why` is a fault, and `None` is its own wish, or the end of its patience.
    fn remove(&mut self, token: Token, why: Option<&str>) {
        let (generation, place) = &mut self.viewers[slot(token)];
        *generation = generation.wrapping_add(1);
        self.free.push(slot(token));
        let Some(viewer) = place.take() else { return };
        if viewer.kind == Kind::Storm {
            self.storm_now -= 1;
        }
        self.tally.left(&viewer, why);
    }

    fn begin_window(&mut self) -> anyhow::Result<Mono> {
        let now = Mono::now();
        for viewer in self.viewers.iter_mut().filter_map(|(_, viewer)| viewer.as_mut()) {
            viewer.begin_window(now);
        }
        self.tally.begin(self.args.pid.map(Process::read).transpose()?);
        Ok(now)
    }

    fn end_window(mut self, start: Mono) -> anyhow::Result<Report> {
        let seconds = Mono::now().since(start);
        let after = self.args.pid.map(Process::read).transpose()?;
        let tcp_memory = proc::tcp_memory();
        let viewers: Vec<Viewer> = self.viewers.into_iter().filter_map(|(_, viewer)| viewer).collect();
        for viewer in &viewers {
            if let Some(checker) = &viewer.checker {
                self.tally.checked(viewer.kind, checker.counts());
            }
        }
        Ok(self.tally.report(self.args, seconds, &viewers, after, tcp_memory))
    }
}

/// One number in `every`, each time another one of those: with as many channels, none would otherwise be looked at but the first.
fn is_chosen(number: u64, every: u64) -> bool {
    number % every == number / every % every
}

fn slot(token: Token) -> usize {
    usize::try_from(token & 0xFFFF_FFFF).expect("32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_of_every_channel_are_looked_at() {
        let chosen: Vec<u64> = (0..1000).filter(|&number| is_chosen(number, 100)).collect();
        assert_eq!(chosen, [0, 101, 202, 303, 404, 505, 606, 707, 808, 909]);
        assert!((0..9).all(|number| is_chosen(number, 1)));
    }
}
