//! What is good and what is not, of what was seen.

use std::time::Duration;

use super::Finding;
use crate::cli::check::count;
use crate::config::Config;

/// Less than this is soon full: an hour of a channel's time-shift, or one film.
const LITTLE_SPACE: u64 = 2 << 30;

/// With less, the database may not be able to write what comes next.
const NO_SPACE: u64 = 64 << 20;

/// Each viewer takes a descriptor, each open channel some three.
const FEW_DESCRIPTORS: u64 = 4096;

/// By more, signed links and tokens end too early or too late, and so do certificates.
const CLOCK_IS_OFF: Duration = Duration::from_secs(30);

/// The configuration, and what is doubtful in it.
pub(super) fn configuration(config: &Config) -> Vec<Finding> {
    let channels = count(config.channels.len(), "channel");
    let playlists = count(config.playlists.len(), "playlist");
    let good = Finding::good("configuration", format!("{}, {channels}, {playlists}", config.path.display()));
    let doubtful = |warning: String| Finding::warning("configuration", warning, "see docs/config.md");
    std::iter::once(good).chain(config.warnings().into_iter().map(doubtful)).collect()
}

/// A program that may be needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) name: &'static str,
    /// What does not work without it.
    pub(super) use_of_it: &'static str,
    pub(super) installed_by: &'static str,
    /// Whether the configuration has something that does not work without it.
    pub(super) is_needed: bool,
}

/// A program, and how it was found: its version, or why it is not there.
pub(super) fn program(wanted: Wanted, version: Result<String, String>) -> Finding {
    let reason = match version {
        Ok(version) => return Finding::good(wanted.name, version),
        Err(reason) => reason,
    };
    let message = format!("{reason}: without it there are no {}", wanted.use_of_it);
    let level = if wanted.is_needed { Finding::problem } else { Finding::warning };
    level(wanted.name.to_owned(), message, wanted.installed_by.to_owned())
}

/// How much room is left on the disk of a folder.
pub(super) fn space(subject: &str, free: u64) -> Finding {
    let subject = format!("disk of the {subject}");
    let message = format!("{} MiB are free", free >> 20);
    match free {
        ..NO_SPACE => Finding::problem(subject, message, "make room: changes are refused when it is full"),
        NO_SPACE..LITTLE_SPACE => {
            let advice =
                "make room, or keep less: `timeshift` of [hls], `cache` and `downloads` of [resolver]";
            Finding::warning(subject, message, advice)
        }
        _ => Finding::good(subject, message),
    }
}

/// How many files may be open: `limit` is none where there is no limit.
pub(super) fn descriptors(limit: Option<u64>) -> Finding {
    let subject = "open files";
    match limit {
        Some(limit @ ..FEW_DESCRIPTORS) => Finding::warning(
            subject,
            format!("{limit} at a time, which is the most viewers there can be"),
            "raise the hard limit: LimitNOFILE= in a systemd unit, `ulimit -Hn`, or `ulimits` of a container",
        ),
        Some(limit) => Finding::good(subject, format!("{limit} at a time")),
        None => Finding::good(subject, "without a limit"),
    }
}

/// How far the clock is from those of servers elsewhere: the smallest difference counts, since any
/// of theirs may be wrong. None where nobody told the time.
pub(super) fn clock(differences: &[Duration]) -> Option<Finding> {
    let difference = differences.iter().min()?;
    let message = format!("{} s from that of the nearest server", difference.as_secs());
    Some(if *difference > CLOCK_IS_OFF {
        let advice = "set it: `timedatectl set-ntp true`; tokens, signed links and certificates go by it";
        Finding::problem("clock", message, advice)
    } else {
        Finding::good("clock", message)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Level::{self, Good, Problem, Warning};
    use super::*;

    fn level(finding: &Finding) -> Level {
        // Whatever is not well has something that can be done.
        assert_eq!(finding.advice.is_some(), finding.level > Good, "{finding}");
        finding.level
    }

    #[test]
    fn each_rule_has_its_levels() {
        let wanted = |is_needed| Wanted {
            name: "ffmpeg",
            use_of_it: "smaller copies of films",
            installed_by: "apt-get install ffmpeg",
            is_needed,
        };
        let missing = || Err("not found".to_owned());
        let seconds = |seconds: &[u64]| seconds.iter().copied().map(Duration::from_secs).collect::<Vec<_>>();
        let clock = |of: &[u64]| clock(&seconds(of)).expect("somebody told the time");
        let table = [
            (program(wanted(false), Ok("7.1".into())), Good),
            (program(wanted(false), missing()), Warning),
            (program(wanted(true), missing()), Problem),
            (space("database", 0), Problem),
            (space("database", NO_SPACE), Warning),
            (space("database", LITTLE_SPACE - 1), Warning),
            (space("database", LITTLE_SPACE), Good),
            (descriptors(Some(1024)), Warning),
            (descriptors(Some(4096)), Good),
            (descriptors(None), Good),
            (clock(&[3]), Good),
            (clock(&[4000, 2]), Good),
            (clock(&[4000, 31]), Problem),
        ];
        for (finding, expected) in table {
            assert_eq!(level(&finding), expected, "{finding}");
        }
    }

    #[test]
    fn nobody_knows_the_time_is_no_finding() {
        assert_eq!(clock(&[]), None);
    }
}
