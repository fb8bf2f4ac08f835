//! SSDP, the discovery of `UPnP`: HTTP in single packets, sent to a group of addresses (`UPnP`
//! Device Architecture 1.0, section 1.2).

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// Where programs ask.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);

/// The port there.
pub const PORT: u16 = 1900;

/// The longest question that is read.
pub const MAX_PACKET: usize = 2048;

/// For how long an answer is good, in seconds: the standard wants half an hour at least.
const MAX_AGE: u32 = 1800;

/// What our devices are, as their description says.
const DEVICE_TYPE: &str = "urn:schemas-upnp-org:device:MediaServer:1";

const ROOT: &str = "upnp:rootdevice";

/// What a program searches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// Everything that there is.
    All,
    /// Devices that are in no other one.
    Root,
    /// Devices of our type.
    Type,
    /// The device with this name, without `uuid:`.
    Device(String),
}

impl Search {
    /// Reads a packet; `None` if it is not a search, or a search for something else.
    pub fn read(packet: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(packet.get(..packet.len().min(MAX_PACKET))?).ok()?;
        let mut lines = text.lines();
        let mut words = lines.next()?.split_ascii_whitespace();
        if (words.next(), words.next()) != (Some("M-SEARCH"), Some("*")) {
            return None;
        }
        let field = |wanted: &str| {
            let mut fields = lines.clone().filter_map(|line| line.split_once(':'));
            fields.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
        };
        if field("man").map(|value| value.trim_matches('"')) != Some("ssdp:discover") {
            return None;
        }
        match field("st")? {
            "ssdp:all" => Some(Self::All),
            ROOT => Some(Self::Root),
            DEVICE_TYPE => Some(Self::Type),
            other => other.strip_prefix("uuid:").map(|id| Self::Device(id.to_owned())),
        }
    }

    /// The packet that a device answers with. `id` is its name, and its description is at
    /// `location`.
    pub fn answer(&self, id: &str, location: &str) -> Option<String> {
        // One answer is enough: clients read the rest in the description.
        let (target, name) = match self {
            Self::All | Self::Root => (ROOT, format!("uuid:{id}::{ROOT}")),
            Self::Type => (DEVICE_TYPE, format!("uuid:{id}::{DEVICE_TYPE}")),
            Self::Device(wanted) if wanted.eq_ignore_ascii_case(id) => ("", format!("uuid:{id}")),
            Self::Device(_) => return None,
        };
        let target = if target.is_empty() { &name } else { target };
        let mut text = String::from("HTTP/1.1 200 OK\r\n");
        let fields = [
            ("CACHE-CONTROL", &*format!("max-age={MAX_AGE}")),
            ("EXT", ""),
            ("LOCATION", location),
            ("SERVER", "Linux UPnP/1.0 Forebay/1.0"),
            ("ST", target),
            ("USN", &*name),
        ];
        for (key, value) in fields {
            // A line break within a value would begin another field.
            let value: String = value.chars().filter(|char| !char.is_control()).collect();
            let _ = write!(text, "{key}: {value}\r\n");
        }
        text.push_str("\r\n");
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(target: &str) -> String {
        format!(
            "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMan: \"ssdp:discover\"\r\nMX: 2\r\nST: {target}\r\n\r\n"
        )
    }

    #[test]
    fn searches_are_read_however_they_are_written() {
        for (target, expected) in [
            ("ssdp:all", Some(Search::All)),
            ("upnp:rootdevice", Some(Search::Root)),
            ("urn:schemas-upnp-org:device:MediaServer:1", Some(Search::Type)),
            ("uuid:12345674", Some(Search::Device("12345674".to_owned()))),
            ("urn:schemas-upnp-org:device:InternetGatewayDevice:1", None),
        ] {
            assert_eq!(Search::read(search(target).as_bytes()), expected, "{target}");
        }
        let lower = search("ssdp:all").replace("Man: ", "man:").replace("ST: ", "st:").replace("\r\n", "\n");
        assert_eq!(Search::read(lower.as_bytes()), Some(Search::All));
        for wrong in [
            search("ssdp:all").replace("M-SEARCH", "NOTIFY"),
            search("ssdp:all").replace("ssdp:discover", "ssdp:alive"),
            search("ssdp:all").replace("ST:", "NT:"),
            String::new(),
        ] {
            assert_eq!(Search::read(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn an_answer_leads_to_the_description() {
        let answer = Search::All.answer("12345674", "http://h/device.xml").expect("it is meant");
        assert_eq!(
            answer,
            "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT: \r\nLOCATION: http://h/device.xml\r\n\
             SERVER: Linux UPnP/1.0 Forebay/1.0\r\nST: upnp:rootdevice\r\n\
             USN: uuid:12345674::upnp:rootdevice\r\n\r\n"
        );
        let device = |id: &str| Search::Device(id.to_owned()).answer("12345674", "http://h/device.xml");
        assert!(device("12345674").is_some_and(|text| text.contains("ST: uuid:12345674\r\n")));
        assert_eq!(device("12345675"), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_search_or_none(packet in prop::collection::vec(any::<u8>(), 0..300), id in ".{0,40}") {
            let _ = Search::read(&packet);
            let text = [search(&format!("uuid:{id}")).as_bytes(), &packet].concat();
            if let Some(found) = Search::read(&text)
                && let Some(answer) = found.answer(&id, "http://h/device.xml")
            {
                prop_assert_eq!(answer.matches("\r\n").count(), 8);
            }
        }
    }
}
