//! The attacks.

use std::fmt::Write as _;

use super::clients::{self, Scene};
use super::connections;
use super::provider::{self, Answer};

/// One attack.
pub(super) struct Attack {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) about: &'static str,
    /// Who sends the channel that is attacked, where that is not the same as for the others.
    pub(super) provider: Option<fn() -> Answer>,
    /// Attacks for as long as it is polled, and reports what came of it.
    pub(super) act: fn(&Scene<'_>) -> anyhow::Result<String>,
    /// How many times as long as others it lasts.
    pub(super) times: u32,
    /// Channels besides.
    pub(super) channels: usize,
    pub(super) has_tls: bool,
    pub(super) log: Log,
}

/// What becomes of the server's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    /// It goes to a file.
    Read,
    /// It goes to a pipe that is full.
    Unread,
}

/// Faults of a bad configuration.
const FAULTS: usize = 100_000;

const PLAIN: Attack = Attack {
    name: "nothing",
    about: "no attack, to compare with",
    provider: None,
    act: clients::nothing,
    times: 1,
    channels: 0,
    has_tls: false,
    log: Log::Read,
};

const fn by_provider(name: &'static str, about: &'static str, provider: fn() -> Answer) -> Attack {
    Attack { name, about, provider: Some(provider), act: clients::watch, ..PLAIN }
}

/// All that are tried.
pub(super) const ALL: &[Attack] = &[
    PLAIN,
    by_provider("file", "a source is a file on a web server", provider::file),
    by_provider("full-speed", "a stream comes as fast as it is read", provider::full_speed),
    by_provider("chunks-of-one", "the same in chunks of one byte", provider::chunks_of_one),
    by_provider("null-packets", "nothing comes, as fast as it is read", provider::null_packets),
    by_provider("interim-answers", "answers that announce others, without end", provider::interim_answers),
    by_provider(
        "open-variables",
        "a playlist's line of a megabyte opens variables",
        provider::open_variables,
    ),
    by_provider("expanded-variables", "a playlist would become a gigabyte", provider::expanded_variables),
    by_provider("gzip-segments", "each segment of a megabyte is a gigabyte", provider::gzip_segments),
    by_provider("lost-addresses", "10,000 bad addresses below one of 8 KB", provider::lost_addresses),
    by_provider("long-addresses", "10,000 addresses below one of 8 KB", provider::long_addresses),
    Attack {
        name: "long-hosts",
        about: "lists of 10,000 channels for long hosts, which nobody reads",
        act: clients::long_hosts,
        channels: 10_000,
        ..PLAIN
    },
    Attack {
        name: "unread-log",
        about: "viewers join and leave, and nobody reads the log",
        act: clients::joins,
        log: Log::Unread,
        ..PLAIN
    },
    Attack {
        name: "joins",
        about: "viewers with a User-Agent of 15 KB join and leave, as fast as they are served",
        act: clients::joins,
        ..PLAIN
    },
    Attack {
        name: "closed-windows",
        about: "100 connections over HTTP/2 ask for 31 streams each and take nothing",
        act: clients::closed_windows,
        // Who takes nothing is given ten seconds.
        times: 3,
        has_tls: true,
        ..PLAIN
    },
    Attack {
        name: "slow-heads",
        about: "1,000 connections send their heads byte by byte",
        act: connections::slow_heads,
        // A head may take half a minute.
        times: 6,
        ..PLAIN
    },
    Attack {
        name: "silence",
        about: "10,000 connections are opened and say nothing",
        act: connections::silence,
        times: 6,
        ..PLAIN
    },
    Attack {
        name: "large-heads",
        about: "heads of 16 MB, as fast as they are refused",
        act: connections::large_heads,
        ..PLAIN
    },
    Attack {
        name: "large-bodies",
        about: "bodies of 16 MB, as fast as they are refused",
        act: connections::large_bodies,
        ..PLAIN
    },
    Attack {
        name: "reloads",
        about: "a configuration of 100,000 channels is read again",
        act: clients::reloads,
        channels: 100_000,
        ..PLAIN
    },
    Attack {
        name: "faults",
        about: "a configuration with 100,000 faults is read",
        act: clients::faults,
        ..PLAIN
    },
];

/// So many channels that nobody watches.
pub(super) fn channels(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = write!(text, "[[channels]]\nid = \"c{number}\"\nsources = [\"testcard://\"]\n");
        text
    })
}

/// Channels of which each has a fault: an id with a blank.
pub(super) fn bad_channels() -> String {
    channels(FAULTS).replace("id = \"c", "id = \"c ")
}
