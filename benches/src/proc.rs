//! What `/proc` says of a process and of the kernel's sockets.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// A process so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// CPU-seconds in the program.
    pub(crate) user_s: f64,
    /// CPU-seconds in the kernel on its behalf.
    pub(crate) system_s: f64,
    /// Resident memory.
    pub(crate) rss_bytes: u64,
    /// Of that, what is its own and no file's.
    pub(crate) anonymous_bytes: u64,
    /// Memory in files without a name, which no process has mapped and which is resident nowhere
    /// else.
    pub(crate) memory_file_bytes: u64,
    /// Open file descriptors.
    pub(crate) fds: u64,
    /// Times that one of its threads waited for something.
    pub(crate) voluntary_switches: u64,
}

impl Process {
    /// Reads it now; of a program with children, the sum.
    pub(crate) fn read(pid: u32) -> anyhow::Result<Self> {
        let mut sum = Self::read_one(pid)?;
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            // One that has just ended counts for nothing.
            let child = Self::read(child).unwrap_or_default();
            sum.user_s += child.user_s;
            sum.system_s += child.system_s;
            sum.rss_bytes += child.rss_bytes;
            sum.anonymous_bytes += child.anonymous_bytes;
            sum.memory_file_bytes += child.memory_file_bytes;
            sum.fds += child.fds;
            sum.voluntary_switches += child.voluntary_switches;
        }
        Ok(sum)
    }

    fn read_one(pid: u32) -> anyhow::Result<Self> {
        let folder = format!("/proc/{pid}");
        let read = |name: &str| {
            fs::read_to_string(format!("{folder}/{name}")).with_context(|| format!("process {pid} is gone"))
        };
        let (user_s, system_s) = cpu_seconds(&read("stat")?).context("/proc/*/stat has another form")?;
        let status = read("status")?;
        let (mut fds, mut memory_file_bytes) = (0, 0);
        for fd in fs::read_dir(format!("{folder}/fd"))?.flatten() {
            fds += 1;
            let is_memory = fs::read_link(fd.path())
                .is_ok_and(|to| to.as_os_str().as_encoded_bytes().starts_with(b"/memfd:"));
            if is_memory && let Ok(file) = fs::metadata(fd.path()) {
                memory_file_bytes += file.blocks() * 512;
            }
        }
        let mut voluntary_switches = 0;
        for task in fs::read_dir(format!("{folder}/task"))?.flatten() {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            voluntary_switches += field(&status, "voluntary_ctxt_switches:");
        }
        Ok(Self {
            user_s,
            system_s,
            rss_bytes: field(&status, "VmRSS:") * 1024,
            anonymous_bytes: field(&status, "RssAnon:") * 1024,
            memory_file_bytes,
            fds,
            voluntary_switches,
        })
    }

    /// CPU-seconds since `earlier`.
    pub(crate) fn cpu_since(&self, earlier: &Self) -> f64 {
        self.user_s - earlier.user_s + self.system_s - earlier.system_s
    }
}

/// How long each thread of a process and its children has run, in nanoseconds: exact, where
/// [`Process`] counts in ticks.
#[derive(Debug, Default)]
pub(crate) struct RunTimes(BTreeMap<u32, u64>);

impl RunTimes {
    /// Reads it now.
    pub(crate) fn read(pid: u32) -> Self {
        let mut times = Self::default();
        times.add(pid);
        times
    }

    fn add(&mut self, pid: u32) {
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            // A thread that has just ended counts for nothing.
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let time: Option<u64> = text.split_whitespace().next().and_then(|time| time.parse().ok());
            let number = task.file_name().to_str().and_then(|name| name.parse().ok());
            self.0.extend(number.zip(time));
        }
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|child| child.parse().ok()).for_each(|child| self.add(child));
    }

    /// Seconds since `earlier` of the threads that there are.
    pub(crate) fn since(&self, earlier: &Self) -> f64 {
        let of = |(thread, time): (&u32, &u64)| time - earlier.0.get(thread).copied().unwrap_or(0).min(*time);
        self.0.iter().map(of).sum::<u64>() as f64 / 1e9
    }
}

/// The most memory that a process has had resident since it began, or since [`reset_peak`].
pub(crate) fn peak(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    Ok(field(&status.with_context(|| format!("process {pid} is gone"))?, "VmHWM:") * 1024)
}

/// The most memory counts from now on.
pub(crate) fn reset_peak(pid: u32) -> anyhow::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").with_context(|| format!("process {pid} is gone"))
}

/// The number behind a name at the beginning of a line; 0 where it is not.
fn field(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Fields 14 and 15 of `/proc/*/stat`; the second is a name in brackets, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<(f64, f64)> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut seconds = || {
        let ticks: u64 = fields.next()?.parse().ok()?;
        Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    };
    Some((seconds()?, seconds()?))
}

/// Memory of all TCP sockets of this machine, in bytes.
pub(crate) fn tcp_memory() -> u64 {
    tcp_pages(&fs::read_to_string("/proc/net/sockstat").unwrap_or_default())
        * rustix::param::page_size() as u64
}

fn tcp_pages(sockstat: &str) -> u64 {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default();
    let mut words = line.split_whitespace().skip_while(|&word| word != "mem");
    words.nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood() {
        let stat = "12 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_seconds(stat), Some((250.0 / ticks, 50.0 / ticks)));
        assert_eq!(field("VmPeak:\t 5 kB\nVmRSS:\t  1234 kB\n", "VmRSS:"), 1234);
        assert_eq!(tcp_pages("sockets: used 1\nTCP: inuse 8 orphan 0 tw 0 alloc 11 mem 3\nUDP: mem 9\n"), 3);
    }

    #[test]
    fn this_process_can_be_read() {
        let process = Process::read(std::process::id()).unwrap();
        let earlier = RunTimes::default();
        assert!(RunTimes::read(std::process::id()).since(&earlier) > 0.0);
        assert!(process.rss_bytes > 0 && process.fds > 2 && process.anonymous_bytes <= process.rss_bytes);
    }
}
