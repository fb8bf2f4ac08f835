//! Kodi with its client of lists (`pvr.iptvsimple`), on a screen that nobody sees, asked by
//! JSON-RPC.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::running::{has_kodi, kodi, virtual_screen};
use super::vlc::Home;
use crate::authority::reserve;
use crate::client::Request;

/// How long it may take to answer for the first time: it is large, and draws its pages without a
/// graphics card.
const STARTUP: Duration = Duration::from_mins(3);

/// How often it is looked whether something has come to be.
const LOOK: Duration = Duration::from_millis(250);

/// The client of lists.
const CLIENT: &str = "pvr.iptvsimple";

/// Where packages put it.
const CLIENT_FOLDERS: [&str; 2] =
    ["/usr/share/kodi/addons/pvr.iptvsimple", "/usr/local/share/kodi/addons/pvr.iptvsimple"];

/// One that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Kodi {
    address: SocketAddr,
    child: Child,
    _screen: Child,
    home: Home,
}

impl Kodi {
    /// Starts one that reads this list and this guide; returns when it answers.
    ///
    /// # Panics
    /// If it is not installed, or does not answer.
    pub async fn start(list: &str, guide: &str) -> Self {
        assert!(
            has_kodi() && CLIENT_FOLDERS.iter().any(|folder| Path::new(folder).exists()),
            "this test needs Kodi: apt-get install kodi kodi-pvr-iptvsimple xvfb"
        );
        let home = Home::new();
        let (held, address) = reserve();
        configure(home.path(), address, list, guide);
        let (screen, display) = virtual_screen(&home);
        let mut command = kodi(&home, &display, None);
        command.env("XDG_RUNTIME_DIR", home.path());
        // The port was held until here, so that nobody else has it.
        drop(held);
        let child = command.spawn().expect("Kodi can be run");
        let mut kodi = Self { address, child, _screen: screen, home };
        let until = Instant::now() + STARTUP;
        while kodi.ask("JSONRPC.Ping", &json!({})).await != json!("pong") {
            let has_ended = kodi.child.try_wait().is_ok_and(|status| status.is_some());
            assert!(!has_ended && Instant::now() < until, "Kodi does not answer: {}", kodi.log());
            sleep(LOOK).await;
        }
        let enabled =
            kodi.ask("Addons.SetAddonEnabled", &json!({ "addonid": CLIENT, "enabled": true })).await;
        assert_eq!(enabled, json!("OK"), "{}", kodi.log());
        kodi
    }

    /// What it answers to a call; null where it does not answer, or with an error.
    pub async fn ask(&self, method: &str, params: &Value) -> Value {
        let call = json!({ "id": 1, "jsonrpc": "2.0", "method": method, "params": params });
        let request = Request::new("POST", self.address, "/jsonrpc").json(&call);
        match request.send().await {
            Ok(answer) if answer.status == 200 => answer.json()["result"].clone(),
            _ => Value::Null,
        }
    }

    /// Asks again and again until the answer is so.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn until(&self, method: &str, params: &Value, is_so: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + STARTUP;
        loop {
            let answer = self.ask(method, params).await;
            if is_so(&answer) {
                return answer;
            }
            assert!(Instant::now() < until, "{method} {params} is still {answer}: {}", self.log());
            sleep(LOOK).await;
        }
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let log = fs::read(self.home.path().join(".kodi/temp/kodi.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

/// The files that say where it answers, and what its client reads.
fn configure(home: &Path, address: SocketAddr, list: &str, guide: &str) {
    let folder = home.join(".kodi/userdata");
    let of_client = folder.join("addon_data").join(CLIENT);
    fs::create_dir_all(&of_client).expect("its own folder can be written");
    let port = address.port().to_string();
    let settings = [
        ("services.webserver", "true"),
        ("services.webserverport", &port),
        ("services.webserverauthentication", "false"),
        ("services.esallinterfaces", "false"),
        ("services.zeroconf", "false"),
        ("services.upnp", "false"),
        ("services.airplay", "false"),
        // It would ask its makers for news.
        ("general.addonupdates", "2"),
        ("lookandfeel.enablerssfeeds", "false"),
        ("epg.ignoredbforclient", "true"),
        ("pvrmanager.backendchannelorder", "true"),
        ("pvrmanager.usebackendchannelnumbers", "true"),
    ];
    let of_list = [
        ("m3uPathType", "1"),
        ("m3uUrl", list),
        ("m3uCache", "false"),
        ("numberByOrder", "false"),
        ("epgPathType", "1"),
        ("epgUrl", guide),
        ("epgCache", "false"),
    ];
    for (path, settings) in
        [(folder.join("guisettings.xml"), &settings[..]), (of_client.join("settings.xml"), &of_list[..])]
    {
        let one = |(id, value): &(&str, &str)| {
            format!("<setting id=\"{id}\">{}</setting>", value.replace('&', "&amp;"))
        };
        let all: String = settings.iter().map(one).collect();
        fs::write(path, format!("<settings version=\"2\">{all}</settings>"))
            .expect("its own folder can be written");
    }
}
