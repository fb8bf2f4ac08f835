//! What the kernel is asked for: readiness, limits, a processor of one's own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::Timespec;
use socket2::{Domain, Protocol, Socket, Type};

/// Taken from the kernel at a time: enough that a burst costs few calls.
const EVENTS: usize = 1024;

/// Connections waiting to be accepted; the kernel has a limit of its own.
const BACKLOG: i32 = 16_384;

/// What a socket is waited for.
pub(crate) use rustix::event::epoll::EventFlags as Interest;

/// Waits for many sockets at once, level-triggered.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(EVENTS) })
    }

    /// Waits for `socket`, which is named `token` from now on.
    pub(crate) fn add(&self, socket: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(token), interest)?)
    }

    /// Waits for something else on `socket`.
    pub(crate) fn modify(&self, socket: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, EventData::new_u64(token), interest)?)
    }

    /// Waits for `socket` no more. Closing it does the same.
    pub(crate) fn remove(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, socket)?)
    }

    /// Waits at most `limit` and puts into `ready` what is ready, by name.
    pub(crate) fn wait(&mut self, limit: Duration, ready: &mut Vec<(u64, EventFlags)>) -> io::Result<()> {
        ready.clear();
        self.events.clear();
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, spare, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // Copied one by one: the kernel's events are packed.
        ready.extend(self.events.iter().map(|event| {
            let (data, flags) = (event.data, event.flags);
            (data.u64(), flags)
        }));
        Ok(())
    }
}

/// Raises the number of files that may be open to the hard limit, and returns it.
pub(crate) fn raise_file_limit() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// The processors this process may use.
pub(crate) fn processors() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// Runs `start` with this thread on these processors only, which its children inherit from their first moment: a runtime that counts the
/// processors at its start counts these.
pub(crate) fn on_processors<T>(cpus: &[usize], start: impl FnOnce() -> T) -> io::Result<T> {
    let before = sched_getaffinity(None)?;
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu);
    }
    sched_setaffinity(None, &set)?;
    let started = start();
    sched_setaffinity(None, &before)?;
    Ok(started)
}

/// Listens at `address`, with room for a burst of connections, without ever blocking.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
