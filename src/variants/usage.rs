//! What processes and the machine take, as Linux tells in `/proc`. On other systems nothing is
//! known, so that nothing is refused for it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::transcode::{JobId, JobLoad, Sample};
use rustix::param::clock_ticks_per_second;
use tokio::time::Instant;

use super::meter::Meter;

/// A sample over less than this says nothing.
const SHORTEST: Duration = Duration::from_millis(200);

/// What was seen of a job.
#[derive(Debug, Clone, Copy)]
struct Seen {
    pid: u32,
    ticks: u64,
    waited: Duration,
    read: u64,
}

/// Measures from one sample to the next.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// When it was measured last, and the ticks of all processors that were not idle.
    last: Option<(Instant, u64)>,
    jobs: BTreeMap<JobId, Seen>,
}

impl Machine {
    /// What was done since the last time; none the first time, and where nothing is known.
    pub(super) fn sample(&mut self, meters: &[(JobId, Arc<Meter>)]) -> Option<Sample> {
        let (now, busy) = (Instant::now(), busy_ticks()?);
        let (since, before) = *self.last.get_or_insert((now, busy));
        let elapsed = now.duration_since(since);
        if elapsed < SHORTEST {
            self.note(meters);
            return None;
        }
        self.last = Some((now, busy));
        let before_jobs = std::mem::take(&mut self.jobs);
        self.note(meters);
        let processors = |ticks: u64| seconds(ticks) / elapsed.as_secs_f64();
        let loads = self.jobs.iter().filter_map(|(&id, seen)| {
            let known = before_jobs.get(&id).filter(|known| known.pid == seen.pid)?;
            let waited = seen.waited.saturating_sub(known.waited).as_secs_f64() / elapsed.as_secs_f64();
            let cpu = processors(seen.ticks.saturating_sub(known.ticks));
            Some((
                id,
                JobLoad { cpu, waited: waited.min(1.0), is_steady: seen.read > known.read && waited < 0.1 },
            ))
        });
        let jobs: Vec<_> = loads.collect();
        let of_jobs: f64 = jobs.iter().fold(0.0, |sum, (_, load)| sum + load.cpu);
        let others = (processors(busy.saturating_sub(before)) - of_jobs).max(0.0);
        Some(Sample { others, pressure: pressure(), jobs })
    }

    fn note(&mut self, meters: &[(JobId, Arc<Meter>)]) {
        let seen = meters.iter().filter_map(|(id, meter)| {
            let pid = meter.pid()?;
            let read = meter.read.load(std::sync::atomic::Ordering::Relaxed);
            Some((*id, Seen { pid, ticks: ticks_of(pid)?, waited: meter.waited(), read }))
        });
        self.jobs = seen.collect();
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks stay far below 2^52")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second().max(1) as f64
}

/// The time of a process and of the children that it waited for, in ticks.
fn ticks_of(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&text)
}

/// Fields 14 and 15 of `/proc/PID/stat`. The name, which may hold anything, ends with the last
/// bracket.
fn parse_stat(text: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// The ticks of all processors that were not idle.
fn busy_ticks() -> Option<u64> {
    parse_busy(&fs::read_to_string("/proc/stat").ok()?)
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
fn parse_busy(text: &str) -> Option<u64> {
    let fields = text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some(ticks.iter().sum::<u64>() - idle)
}

/// The share of the time in which something waited for a processor, in percent.
fn pressure() -> Option<f64> {
    parse_pressure(&fs::read_to_string("/proc/pressure/cpu").ok()?)
}

fn parse_pressure(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    line.split(' ').find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_is_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 150 25 8 9 20 0 1 0 77 1000 10";
        assert_eq!(parse_stat(stat), Some(175));
        assert_eq!(parse_busy("cpu  100 20 30 4000 50 1 2 3 0 0\ncpu0 1 2 3 4\n"), Some(156));
        assert_eq!(
            parse_pressure("some avg10=12.34 avg60=1.00 avg300=0.00 total=9\nfull avg10=0.00\n"),
            Some(12.34)
        );
        for bad in ["", "cpu", "7 (a", "some avg10=x"] {
            assert_eq!((parse_stat(bad), parse_busy(bad), parse_pressure(bad)), (None, None, None), "{bad}");
        }
    }

    #[test]
    fn this_machine_is_measured() {
        let mut machine =
            Machine { last: Some((Instant::now() - Duration::from_secs(1), 0)), ..Machine::default() };
        assert!(machine.sample(&[]).is_some_and(|sample| sample.others > 0.0));
        assert!(ticks_of(std::process::id()).is_some());
    }
}
