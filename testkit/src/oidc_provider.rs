//! A real provider of identities: npm `oidc-provider` (`testkit/oidc`). Whoever clicks on "Be Ann"
//! is Ann.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::identity_provider::CLIENT;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running provider. Dropped, it is killed.
#[derive(Debug)]
pub struct OidcProvider {
    issuer: String,
    _child: Child,
    /// It writes there now and then, and would end if nobody could read it.
    _output: Lines<BufReader<ChildStdout>>,
}

impl OidcProvider {
    /// Starts one that knows [`CLIENT`], and leads back to `redirect` only.
    ///
    /// # Panics
    /// If there is no Node.js, or it does not start.
    pub async fn start(redirect: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oidc/provider.mjs");
        assert!(script.with_file_name("node_modules").is_dir(), "oidc-provider is missing: run make setup");
        let wish = json!({ "redirect": redirect, "client": [CLIENT.0, CLIENT.1] });
        let mut child = Command::new("node")
            .arg(script)
            .arg(wish.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node can be run");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it starts in time");
        let issuer = line.expect("it can be read").expect("it says where it listens");
        Self { issuer, _child: child, _output: lines }
    }

    /// Its name.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}
