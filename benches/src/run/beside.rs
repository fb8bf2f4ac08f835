//! What goes on beside a load: tokens that viewers show, and somebody who asks for figures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::http;

/// How often the figures are asked for.
const EVERY: Duration = Duration::from_secs(1);

/// A token that plays the first channel, of a user who is made for it.
pub(super) fn token(server: SocketAddr) -> anyhow::Result<String> {
    // The database outlives a round, and each round has a port of its own.
    let name = format!("bench-{}", server.port());
    let user = json!({ "name": name, "password": "bench bench", "tier": "pro" });
    let user = post(server, "/api/users", &user)?;
    let list = user["playlist_url"].as_str().context("a user has a list")?;
    let key = list.split("/t/").nth(1).and_then(|rest| rest.split('/').next()).context("it has a key")?;
    let made = post(server, &format!("/t/{key}/api/streaming/token"), &json!({ "channel": "ch0" }))?;
    Ok(made["token"].as_str().context("a token is a text")?.to_owned())
}

fn post(server: SocketAddr, path: &str, body: &Value) -> anyhow::Result<Value> {
    let answer = http::post(server, path, &body.to_string())?;
    Ok(serde_json::from_str(&answer)?)
}

/// Asks for the figures each second until it is dropped.
#[derive(Debug)]
pub(super) struct Scraping {
    is_over: Arc<AtomicBool>,
    asking: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Scraping {
    pub(super) fn start(server: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let asking = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let figures = http::get(server, "/metrics")?;
                ensure!(figures.ends_with("# EOF\n"), "the figures are not whole");
                thread::park_timeout(EVERY);
            }
            Ok(())
        });
        Self { is_over, asking: Some(asking) }
    }

    /// Stops, and says whether each answer was good.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        let asking = self.asking.take().context("it is finished once")?;
        asking.thread().unpark();
        asking.join().map_err(|_| anyhow::anyhow!("whoever asked for figures has panicked"))?
    }
}
