//! How programs find the tuners in their network: the vendor's own program, and searches of `UPnP`.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use forebay_testkit::client;
use tokio::net::UdpSocket;
use tokio::process::Command;
use tokio::time::timeout;

use crate::relay::Relay;

const ON: &str =
    "[hdhomerun]\ndiscovery = true\ntuners = 3\n[[channels]]\nid = 'one'\nsources = ['testcard://']\n";

/// The question for everybody, as the vendor's library sends it.
const EVERYBODY: [u8; 20] = [
    0x00, 0x02, 0x00, 0x0c, 0x01, 0x04, 0xff, 0xff, 0xff, 0xff, 0x02, 0x04, 0xff, 0xff, 0xff, 0xff, 0x73,
    0xcc, 0x7d, 0x8f,
];

/// An address of this machine's own that no other test has: the ports of discovery are fixed.
fn home(number: u8) -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + number, high, low.clamp(1, 254))
}

/// Asks until there is an answer; none where nobody listens.
async fn ask(to: (Ipv4Addr, u16), question: &[u8], tries: u32) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let mut answer = [0; 2048];
    for _ in 0..tries {
        socket.send_to(question, SocketAddr::from(to)).await.expect("it is sent");
        let received = timeout(Duration::from_millis(500), socket.recv_from(&mut answer)).await;
        if let Ok(Ok((length, from))) = received {
            assert_eq!(from, SocketAddr::from(to), "programs take answers from where they asked");
            return Some(answer[..length].to_vec());
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_look_for_tuners_find_them() {
    let home = home(0);
    let relay = Relay::start_at((home, 0).into(), ON);
    let (_, device) = client::get_json(relay.address(), "/discover.json").await;
    let id = device["DeviceID"].as_str().expect("a text").to_owned();
    let base = format!("http://{}", relay.address());

    let answer = ask((home, 65_001), &EVERYBODY, 40).await.expect("it answers");
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert_eq!(answer[..2], [0, 3]);
    assert!(text.contains(&base) && text.contains(&format!("{base}/lineup.json")), "{text}");
    // A damaged question, and one for another device.
    let mut damaged = EVERYBODY;
    damaged[19] ^= 1;
    assert_eq!(ask((home, 65_001), &damaged, 2).await, None);
    let other = forebay_core::discovery::hdhomerun::Question { device: Some(1) }.write();
    assert_eq!(ask((home, 65_001), &other, 2).await, None);

    let search = |target: &str| {
        format!(
            "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: {target}\r\n\r\n"
        )
    };
    let found = ask((home, 1900), search("ssdp:all").as_bytes(), 40).await.expect("it answers");
    let found = String::from_utf8(found).unwrap();
    assert!(found.starts_with("HTTP/1.1 200 OK\r\n"), "{found}");
    assert!(found.contains(&format!("LOCATION: {base}/device.xml\r\n")) && found.contains(&id), "{found}");
    // A flood is answered in part, and the rest is counted.
    let flood = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    for _ in 0..100 {
        flood.send_to(&EVERYBODY, (home, 65_001)).await.unwrap();
    }
    let refused = async || {
        let metrics = client::get(relay.address(), "/metrics").await.text();
        let count = metrics.lines().find_map(|line| line.strip_prefix("forebay_discovery_refused_total "));
        count.expect("it is told").parse::<f64>().unwrap()
    };
    let is_counted = async {
        while refused().await < 50.0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), is_counted).await.expect("most were refused");
    let description = client::get(relay.address(), "/device.xml").await.text();
    assert!(description.contains(&format!("<UDN>uuid:{id}</UDN>")), "{description}");
    assert_eq!(
        ask((home, 1900), search("urn:dial-multiscreen-org:service:dial:1").as_bytes(), 2).await,
        None
    );
    assert!(relay.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_nobody_is_answered() {
    let home = home(1);
    let relay = Relay::start_at((home, 0).into(), &ON.replace("discovery = true\n", ""));
    assert_eq!(client::get(relay.address(), "/discover.json").await.status, 200);
    assert_eq!(ask((home, 65_001), &EVERYBODY, 3).await, None);
    assert!(relay.stop().await);
}

/// `apt install hdhomerun-config`
#[tokio::test(flavor = "multi_thread")]
async fn the_program_of_the_vendor_finds_the_device() {
    let home = home(2);
    let relay = Relay::start_at((home, 0).into(), ON);
    let (_, device) = client::get_json(relay.address(), "/discover.json").await;
    let id = device["DeviceID"].as_str().expect("a text").to_owned();
    ask((home, 65_001), &EVERYBODY, 40).await.expect("it answers");
    let program = Command::new("hdhomerun_config")
        .args(["discover", &home.to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(30), program).await.expect("it takes seconds");
    let output = output.expect("hdhomerun_config is installed");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    // It names where the answer came from.
    assert_eq!(told.trim(), format!("hdhomerun device {id} found at {home}"));
    assert!(relay.stop().await);
}
