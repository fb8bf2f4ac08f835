//! The program at the other end of a connection from this machine, as Linux tells of it in `/proc`.
//!
//! A proxy on this machine can look like any client of it, byte for byte. But it has a connection
//! of its own to whomever it works for, or waits for one. So a program counts as a client only if
//! it is seen to have no socket but those to us. Whatever hides that (another user's program,
//! another container, another system) makes it one of which nobody knows.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rustix::process::geteuid;

/// What is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// A program of the user whom we run as, or several that share the connection, which talk to
    /// nobody else.
    Client,
    /// It may work for somebody else.
    Unknown,
}

/// A socket of this machine.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    user: u32,
    inode: u64,
}

/// The flag of sockets in `/proc/net/unix` that listen (`__SO_ACCEPTCON`).
const ACCEPTS: u64 = 0x1_0000;

/// Finds the program at the end `peer` of a connection to `local`. It reads files for some
/// milliseconds, more of them where there are more sockets and programs.
pub(super) fn find(peer: SocketAddr, local: SocketAddr) -> io::Result<Program> {
    let (peer, local) = (canonical(peer), canonical(local));
    let tcp = sockets(&["tcp", "tcp6"])?;
    // It may have closed meanwhile, or be in another network namespace.
    let Some(socket) = tcp.iter().find(|socket| (socket.local, socket.remote) == (peer, local)) else {
        return Ok(Program::Unknown);
    };
    if socket.user != geteuid().as_raw() {
        return Ok(Program::Unknown);
    }
    let is_elsewhere = |socket: &&Socket| socket.remote != local;
    // Listening sockets too: a proxy that waits for its next client has no other connection now.
    let mut elsewhere: HashSet<u64> = tcp.iter().filter(is_elsewhere).map(|socket| socket.inode).collect();
    elsewhere.extend(sockets(&["udp", "udp6"])?.iter().map(|socket| socket.inode));
    elsewhere.extend(accepting(&fs::read_to_string("/proc/self/net/unix")?));
    let mut is_found = false;
    for (process, inodes) in holders(socket.inode)? {
        // We do what we do for nobody else: no viewer can make us send anything but a GET.
        if process != std::process::id() && !inodes.is_disjoint(&elsewhere) {
            return Ok(Program::Unknown);
        }
        is_found = true;
    }
    Ok(if is_found { Program::Client } else { Program::Unknown })
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The sockets in these tables.
fn sockets(tables: &[&str]) -> io::Result<Vec<Socket>> {
    let mut all = Vec::new();
    for table in tables {
        match fs::read_to_string(format!("/proc/self/net/{table}")) {
            Ok(text) => all.extend(text.lines().skip(1).filter_map(parse)),
            // There is no IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound && table.ends_with('6') => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// A line of `/proc/net/tcp` and the like (proc(5)).
fn parse(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace();
    let (local, remote) = (parse_address(fields.nth(1)?)?, parse_address(fields.next()?)?);
    Some(Socket { local, remote, user: fields.nth(4)?.parse().ok()?, inode: fields.nth(1)?.parse().ok()? })
}

/// An address as the kernel prints it: each 32 bits of it, which are in the order of the network,
/// as a number of this machine.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let address = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let bytes = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

/// The inodes of those sockets in `/proc/net/unix` that listen.
fn accepting(text: &str) -> impl Iterator<Item = u64> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let flags = u64::from_str_radix(fields.nth(3)?, 16).ok()?;
        let inode = fields.nth(2)?.parse().ok()?;
        (flags & ACCEPTS != 0).then_some(inode)
    })
}

/// The processes that hold this socket, each with all the sockets it holds. Those that we may not
/// look into are not there.
fn holders(socket: u64) -> io::Result<Vec<(u32, HashSet<u64>)>> {
    let processes = fs::read_dir("/proc")?.flatten();
    let ids = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
    Ok(ids.map(|id| (id, held(id))).filter(|(_, inodes)| inodes.contains(&socket)).collect())
}

/// The inodes of the sockets that a process holds.
fn held(process: u32) -> HashSet<u64> {
    let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    links
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn tables_are_read_as_the_kernel_prints_them() {
        let line = "  22: 0100007F:1F90 0200007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 48291 1 \
                    0000000000000000 20 4 30 10 -1";
        let socket = Socket {
            local: "127.0.0.1:8080".parse().unwrap(),
            remote: "127.0.0.2:54321".parse().unwrap(),
            user: 1000,
            inode: 48291,
        };
        assert_eq!(parse(line), Some(socket));
        for (text, address) in [
            ("00000000000000000000000001000000:0050", "[::1]:80"),
            ("0000000000000000FFFF00000100007F:0050", "127.0.0.1:80"),
            ("B80D0120000000000000000001000000:0001", "[2001:db8::1]:1"),
        ] {
            assert_eq!(parse_address(text), Some(address.parse().unwrap()), "{text}");
        }
        for text in ["", "0100007F", "0100007F:", "100007F:1F90", "0100007F0100007F:1F90"] {
            assert_eq!(parse_address(text), None, "{text}");
        }
        let unix = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 4711 /run/a\n\
                    0000000000000000: 00000003 00000000 00000000 0001 03 4712 /run/a\n";
        assert_eq!(accepting(unix).collect::<Vec<_>>(), [4711]);
    }
}
