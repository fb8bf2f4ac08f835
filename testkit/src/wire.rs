//! A wire between two programs that can be cut: nothing comes through, and nobody is told.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A wire to a server; it is gone when it is dropped.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    cut: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Wire {
    /// Leads from a free port of 127.0.0.1 to `target`.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (cut, mut tasks) = (watch::Sender::new(false), JoinSet::new());
        let is_cut = cut.subscribe();
        tasks.spawn(async move {
            let mut wires = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let is_cut = is_cut.clone();
                wires.spawn(async move {
                    let Ok(server) = TcpStream::connect(target).await else { return };
                    let ((from, to), (back_from, back_to)) = (client.into_split(), server.into_split());
                    tokio::join!(carry(from, back_to, is_cut.clone()), carry(back_from, to, is_cut));
                });
            }
        });
        Self { address, cut, _tasks: tasks }
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts it, or puts it together. What is sent meanwhile is lost.
    pub fn cut(&self, is_cut: bool) {
        self.cut.send_replace(is_cut);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_cut: watch::Receiver<bool>) {
    let mut buffer = vec![0; 16 << 10];
    // A connection of which something is lost is of no use any more: its end is not told either.
    let mut was_cut = false;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        was_cut |= *is_cut.borrow();
        if !was_cut && to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
}
