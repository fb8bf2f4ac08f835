//! Tells the service manager how far the program is: systemd's `sd_notify`, for units of
//! `Type=notify`.

use std::env;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The variable in which a service manager names its socket.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Where messages go; nowhere unless a service manager waits for them.
#[derive(Debug)]
pub(super) struct ServiceManager(Option<Target>);

#[derive(Debug)]
struct Target {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl ServiceManager {
    /// The one that started this process.
    pub(super) fn of_process() -> io::Result<Self> {
        Self::at(env::var(VARIABLE).ok().as_deref())
    }

    /// One that listens at this path; `@` at its beginning stands for the abstract namespace.
    fn at(path: Option<&str>) -> io::Result<Self> {
        let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(Self(None)) };
        let address = match path.strip_prefix('@') {
            Some(name) => abstract_address(name)?,
            None => SocketAddr::from_pathname(path)?,
        };
        Ok(Self(Some(Target { socket: UnixDatagram::unbound()?, address })))
    }

    /// Viewers can come from now on.
    pub(super) fn ready(&self) -> io::Result<()> {
        self.send("READY=1")
    }

    /// The program ends: it closes what is open.
    pub(super) fn stopping(&self) -> io::Result<()> {
        self.send("STOPPING=1")
    }

    fn send(&self, message: &str) -> io::Result<()> {
        let Some(Target { socket, address }) = &self.0 else { return Ok(()) };
        socket.send_to_addr(message.as_bytes(), address).map(drop)
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &str) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &str) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &ServiceManager, socket: &UnixDatagram) -> [String; 2] {
        manager.ready().unwrap();
        manager.stopping().unwrap();
        [(); 2].map(|()| {
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        })
    }

    #[test]
    fn a_socket_with_a_path_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::at(path.to_str()).unwrap();
        assert_eq!(heard(&manager, &socket), ["READY=1", "STOPPING=1"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_socket_is_told() {
        let name = format!("forebay-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&abstract_address(&name).unwrap()).unwrap();
        let manager = ServiceManager::at(Some(&format!("@{name}"))).unwrap();
        assert_eq!(heard(&manager, &socket), ["READY=1", "STOPPING=1"]);
    }

    #[test]
    fn without_a_service_manager_nobody_is_told() {
        for path in [None, Some("")] {
            ServiceManager::at(path).unwrap().ready().unwrap();
        }
    }
}
