//! Where datagrams are received.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What is received by `udp://` and `rtp://`: datagrams to a port of this machine, or to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagrams {
    /// A group, or an address of this machine; the unspecified one stands for all of them.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Of a group, the one sender that is listened to; all of them if absent.
    pub sender: Option<IpAddr>,
    /// By which the group is joined: its name or its IPv4 address; the system's choice if absent.
    pub interface: Option<String>,
}

/// Why a text names no such place. It follows "not a valid address: ".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatagramsError {
    /// Neither a port alone nor an address with one.
    #[error("a group or an address of this machine, and a port, as in udp://239.0.0.1:1234 or udp://@:1234")]
    Address,
    /// What stands before the `@` is no address.
    #[error("the sender before the @ is to be an IP address")]
    Sender,
    /// The interface is none.
    #[error("interface is to be the name or the address of a network interface")]
    Interface,
}

/// Names of interfaces are no longer on Linux, and addresses hardly.
const MAX_INTERFACE: usize = 40;

impl Datagrams {
    /// Reads what follows the scheme: `//[sender]@address:port?interface=eth0`. What else stands in
    /// the query is for players, and left out.
    pub fn parse(rest: &str) -> Result<Self, DatagramsError> {
        let rest = rest.strip_prefix("//").ok_or(DatagramsError::Address)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let place = place.trim_end_matches('/');
        let (sender, place) = match place.split_once('@') {
            None | Some(("", _)) => (None, place.trim_start_matches('@')),
            Some((sender, place)) => (Some(sender.parse().map_err(|_| DatagramsError::Sender)?), place),
        };
        let (address, port) = if let Some(port) = place.strip_prefix(':') {
            (Ipv4Addr::UNSPECIFIED.into(), port.parse().map_err(|_| DatagramsError::Address)?)
        } else {
            let place: SocketAddr = place.parse().map_err(|_| DatagramsError::Address)?;
            (place.ip(), place.port())
        };
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        // So ffmpeg calls it.
        let mut named = pairs.filter(|(key, _)| matches!(*key, "interface" | "localaddr"));
        let interface = named.next().map(|(_, value)| value.to_owned());
        let is_name = |text: &String| {
            !text.is_empty()
                && text.len() <= MAX_INTERFACE
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c))
        };
        if port == 0 || !interface.as_ref().is_none_or(is_name) {
            return Err(if port == 0 { DatagramsError::Address } else { DatagramsError::Interface });
        }
        Ok(Self { address, port, sender, interface })
    }
}

impl fmt::Display for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("//")?;
        if let Some(sender) = self.sender {
            write!(f, "{sender}@")?;
        }
        write!(f, "{}", SocketAddr::new(self.address, self.port))?;
        match &self.interface {
            Some(interface) => write!(f, "?interface={interface}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_players_write_them() {
        for (text, expected) in [
            ("//239.0.0.1:1234", Ok("//239.0.0.1:1234")),
            ("//@239.0.0.1:1234/", Ok("//239.0.0.1:1234")),
            ("//@:5004", Ok("//0.0.0.0:5004")),
            ("//:5004?fifo_size=1000&localaddr=10.0.0.2", Ok("//0.0.0.0:5004?interface=10.0.0.2")),
            (
                "//10.0.0.5@232.1.1.1:5000?interface=10.0.0.2",
                Ok("//10.0.0.5@232.1.1.1:5000?interface=10.0.0.2"),
            ),
            ("//[ff02::1]:5000?interface=eth0.7", Ok("//[ff02::1]:5000?interface=eth0.7")),
            ("//tv.example:5000", Err(DatagramsError::Address)),
            ("//239.0.0.1", Err(DatagramsError::Address)),
            ("//239.0.0.1:0", Err(DatagramsError::Address)),
            ("239.0.0.1:5000", Err(DatagramsError::Address)),
            ("//joe@239.0.0.1:5000", Err(DatagramsError::Sender)),
            ("//239.0.0.1:5000?interface=a/b", Err(DatagramsError::Interface)),
        ] {
            let read = Datagrams::parse(text).map(|read| read.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        }
    }
}
