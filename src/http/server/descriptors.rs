//! File descriptors: each connection takes one.

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit, setrlimit};

/// What is kept from viewers for files, logs, refusals, and requests to other servers.
const RESERVED: usize = 128;

/// What is kept from viewers for each channel: its store, its upstream, and the next one.
const PER_CHANNEL: usize = 3;

/// Descriptors that the system has room for from the start, at nine bytes each.
const ROOM: usize = 1 << 16;

/// Raises the limit of open file descriptors as far as the system allows without privileges, and
/// has the system make room for many; the limit that holds now.
pub(in crate::http) fn raise_descriptor_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    // Distributions start services with 1024, which is fewer than the viewers of one evening.
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let limit = limit.current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    make_room(limit.min(ROOM));
    limit
}

/// Has the system make room for so many descriptors. It doubles the room whenever a descriptor
/// finds none, and lets the thread that opens it wait for some 15 ms: with it wait all viewers whom
/// that thread serves.
fn make_room(descriptors: usize) {
    let Ok(last) = i32::try_from(descriptors.saturating_sub(1)) else { return };
    // The copy is closed at once; the room stays. Without it, everything works as before.
    drop(fcntl_dupfd_cloexec(std::io::stderr(), last));
}

/// How many of so many descriptors connections may take, where there are so many channels: half of
/// them at least.
pub(in crate::http) fn connections_of(descriptors: usize, channels: usize) -> usize {
    descriptors - channels.saturating_mul(PER_CHANNEL).saturating_add(RESERVED).min(descriptors / 2)
}

/// Whether one more channel may be opened, where there are so many connections and open channels:
/// what is kept for the process, and for those who ask for the status or for a channel that is
/// open, is not for another channel.
pub(in crate::http) fn may_open(descriptors: usize, connections: usize, channels: usize) -> bool {
    let channels = channels.saturating_add(1).saturating_mul(PER_CHANNEL);
    let kept = RESERVED.min(descriptors / 4);
    connections.saturating_add(channels).saturating_add(kept) <= descriptors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_kept_for_the_rest_of_the_process() {
        let table =
            [(256, 1, 128), (1024, 0, 896), (1024, 100, 596), (1024, 5000, 512), (20_000, 500, 18_372)];
        for (descriptors, channels, connections) in table {
            assert_eq!(connections_of(descriptors, channels), connections, "{descriptors}, {channels}");
        }
    }

    #[test]
    fn the_last_ones_are_not_for_another_channel() {
        for (descriptors, connections, channels, may) in [
            (512, 0, 0, true),
            (512, 90, 97, true),
            (512, 91, 97, false),
            (64, 12, 11, true),
            (64, 13, 11, false),
            (usize::MAX, 100_000, 10_000, true),
        ] {
            assert_eq!(
                may_open(descriptors, connections, channels),
                may,
                "{descriptors}, {connections}, {channels}"
            );
        }
    }

    #[test]
    fn the_limit_is_what_the_system_allows() {
        let raised = raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert!(limit.current.is_none_or(|limit| limit == raised as u64));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn there_is_room_for_viewers_before_they_come() {
        let limit = raise_descriptor_limit();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();
        assert!(size.trim().parse::<usize>().unwrap() >= limit.min(ROOM), "{size}");
    }
}
