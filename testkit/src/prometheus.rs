//! A real Prometheus, which scrapes one server each second and evaluates rules.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::client;

/// How long it may take to listen on a busy machine.
const START: Duration = Duration::from_mins(1);

/// One that runs; dropped, it ends.
#[derive(Debug)]
pub struct Prometheus {
    address: SocketAddr,
    _child: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `target` as the job `forebay`, and evaluates the rules in a file.
    ///
    /// # Panics
    /// If there is no Prometheus: `make setup` installs it.
    pub async fn start(target: SocketAddr, rules: &Path) -> Self {
        let folder = tempfile::tempdir().expect("there is a folder");
        let configuration = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{:?}]\n\
             scrape_configs:\n  - job_name: forebay\n    static_configs: [{{ targets: [\"{target}\"] }}]\n",
            rules.to_str().expect("a plain path"),
        );
        std::fs::write(&configuration, text).expect("it can be written");
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is installed: `make setup` does that");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await.expect("its log is text") {
                let address = line.split("msg=\"Listening on\" address=").nth(1);
                if let Some(address) = address.and_then(|address| address.trim().parse().ok()) {
                    return address;
                }
            }
            panic!("Prometheus has ended")
        };
        let address = timeout(START, listening).await.expect("Prometheus listens");
        // Somebody has to read its log, or it stands still.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, _child: child, _folder: folder }
    }

    /// What an expression is now: the samples, or why it is none.
    ///
    /// # Errors
    /// In the words of Prometheus.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let query: String = url::form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        let (_, answer) = client::get_json(self.address, &format!("/api/v1/query?query={query}")).await;
        if answer["status"] != "success" {
            return Err(answer.to_string());
        }
        Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
    }

    /// All rules: the name, and how the last evaluation went.
    pub async fn rules(&self) -> Vec<(String, String)> {
        let (_, answer) = client::get_json(self.address, "/api/v1/rules").await;
        let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        rules.map(|rule| (text(&rule["name"]), text(&rule["health"]))).collect()
    }
}
