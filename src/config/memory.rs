//! How much memory there is.

use std::fs;

/// `most` bytes, or a quarter of the memory that this program may have, if that is less.
pub(super) fn share(most: u64) -> u64 {
    let of_machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    // A container may have less than the machine. Without a limit, this says `max`.
    let of_group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let of_group = of_group.and_then(|text| text.trim().parse().ok());
    let known = of_machine.into_iter().chain(of_group).min();
    known.map_or(most, |bytes: u64| most.min(bytes / 4))
}

fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_machine_is_understood() {
        assert_eq!(total("MemTotal:        2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert_eq!(total("Mem: 1"), None);
        assert!(share(1 << 30) <= 1 << 30 && share(1 << 20) <= 1 << 20);
    }
}
