//! How much memory there is.

use std::fs;
use std::path::Path;

/// `most` bytes, or a quarter of the memory that this program may have, if that is less.
pub(super) fn share(most: u64) -> u64 {
    let of_machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_group = of_group(&groups, Path::new("/sys/fs/cgroup"));
    let known = of_machine.into_iter().chain(of_group).min();
    known.map_or(most, |bytes: u64| most.min(bytes / 4))
}

fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The least that the control group of the process (`/proc/self/cgroup`, version 2) or a group
/// around it allows. A container may have less than the machine.
fn of_group(groups: &str, root: &Path) -> Option<u64> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // Without a limit, the file says `max`; the outermost group has none.
    let limit = |folder: &Path| -> Option<u64> {
        fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok()
    };
    root.join(path).ancestors().take_while(|folder| folder.starts_with(root)).filter_map(limit).min()
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

    #[test]
    fn the_least_of_a_group_and_those_around_it_counts() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("system.slice/forebay.service");
        fs::create_dir_all(&own).unwrap();
        let put = |folder: &Path, text: &str| fs::write(folder.join("memory.max"), text).unwrap();
        put(&own, "max\n");
        let read = || of_group("1:name=x:/y\n0::/system.slice/forebay.service\n", root.path());
        assert_eq!(read(), None);
        put(&root.path().join("system.slice"), "4000\n");
        assert_eq!(read(), Some(4000));
        put(&own, "5000\n");
        assert_eq!(read(), Some(4000));
        put(&own, "3000\n");
        assert_eq!(read(), Some(3000));
        // In a namespace of its own, the root is the own group.
        assert_eq!(of_group("0::/\n", &own), Some(3000));
        assert_eq!(of_group("1:memory:/a\n", root.path()), None);
    }
}
