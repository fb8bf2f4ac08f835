//! A certificate authority that speaks ACME: Pebble, Let's Encrypt's own server for tests.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::identity::Identity;
use crate::player::require;

/// How long Pebble may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running authority. It believes that a name is somebody's when it gets the answer to its challenge there, at the port it was told.
/// Dropped, it is killed.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    _child: Child,
    /// Where ACME is spoken, over HTTPS.
    address: SocketAddr,
    /// Where its roots can be had, over HTTPS.
    management: SocketAddr,
}

impl Authority {
    /// Starts one that looks for answers at port `http_port`, and whose certificates are valid for so long.
    ///
    /// # Panics
    /// If there is no Pebble, or it does not start.
    pub async fn start(http_port: u16, validity: Duration) -> Self {
        require("pebble");
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let path = |name: &str| folder.path().join(name);
        let identity = Identity::local();
        let [(_acme, address), (_management, management)] = [reserve(), reserve()];
        let config = json!({ "pebble": {
            "listenAddress": address.to_string(),
            "managementListenAddress": management.to_string(),
            "certificate": path("server.pem"),
            "privateKey": path("server-key.pem"),
            "httpPort": http_port,
            "tlsPort": 0,
            "certificateValidityPeriod": validity.as_secs(),
        }});
        for (name, text) in [
            ("config.json", config.to_string()),
            ("server.pem", identity.certificate_pem),
            ("server-key.pem", identity.key_pem),
        ] {
            std::fs::write(path(name), text).expect("its own folder can be written");
        }
        let log = File::create(path("log")).expect("its own folder can be written");
        let child = Command::new("pebble")
            .arg("-config")
            .arg(path("config.json"))
            // It would wait for some seconds before it looks, to be like the real thing.
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("pebble can be run");
        let authority = Self { folder, _child: child, address, management };
        let starts = async {
            for address in [address, management] {
                while TcpStream::connect(address).await.is_err() {
                    sleep(Duration::from_millis(20)).await;
                }
            }
        };
        assert!(timeout(PATIENCE, starts).await.is_ok(), "pebble does not start: {}", authority.log());
        authority
    }

    /// The address of its directory.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// The certificate of its own server, which nobody knows: the path of a PEM file.
    pub fn server_root(&self) -> String {
        self.folder.path().join("server.pem").to_string_lossy().into_owned()
    }

    /// The address of the root that vouches for what it signs, as PEM.
    pub fn issuer(&self) -> String {
        format!("https://{}/roots/0", self.management)
    }

    /// What it has written.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// A port of the loopback interface for somebody who is about to listen there. While the socket lives, nobody gets it by chance.
///
/// # Panics
/// If there is none.
pub fn reserve() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("there is a socket left");
    socket.set_reuseaddr(true).expect("a socket may share its port");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a loopback port is free");
    let address = socket.local_addr().expect("a bound socket has an address");
    (socket, address)
}
