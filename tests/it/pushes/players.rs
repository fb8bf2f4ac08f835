//! What real servers make of a push: nginx with its RTMP module, and ffmpeg.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use forebay_testkit::player;
use forebay_testkit::rtmp::{Manner, RtmpServer};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::{BACK, KEY, NOTICED, SOON, pushed_to, wait_report};

/// Where Debian keeps the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

/// An nginx that takes streams, and records them.
struct Nginx {
    address: SocketAddr,
    folder: TempDir,
    child: Child,
}

impl Nginx {
    async fn start() -> Self {
        // An address of its own, below the ports that others are given by chance.
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address: SocketAddr = (Ipv4Addr::new(127, 63, high, low), 21_935).into();
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        std::fs::create_dir(folder.path().join("out")).expect("its own folder can be written");
        let text = format!(
            "load_module {MODULE};\ndaemon off; master_process off; pid nginx.pid; error_log stderr;\n\
             events {{}}\n\
             rtmp {{ server {{ listen {address}; chunk_size 4096; application live {{ live on; record all; \
             record_path out; record_unique on; }} }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), text).expect("its own folder can be written");
        let child = Self::spawn(folder.path());
        let nginx = Self { address, folder, child };
        nginx.wait().await;
        nginx
    }

    fn spawn(folder: &Path) -> Child {
        Command::new("/usr/sbin/nginx")
            .args(["-p", &folder.to_string_lossy(), "-c", "nginx.conf", "-e", "stderr"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx is installed: make setup")
    }

    async fn wait(&self) {
        let listens = async {
            while TcpStream::connect(self.address).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(SOON, listens).await.expect("nginx listens");
    }

    async fn again(&mut self) {
        self.child = Self::spawn(self.folder.path());
        self.wait().await;
    }

    async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let status = Command::new("kill").args([signal, &id]).status().await.expect("there is a kill");
        assert!(status.success());
    }

    /// What it has recorded, the oldest first.
    fn records(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path().join("out")).expect("it is there");
        let mut paths: Vec<_> = files.map(|file| file.expect("it is readable").path()).collect();
        paths.sort();
        paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_takes_it_and_what_it_records_decodes_without_an_error() {
    let nginx = Nginx::start().await;
    let (_origin, relay) = pushed_to(&format!("rtmp://{}/live", nginx.address)).await;
    wait_report(&relay, SOON, |report| report["media_seconds"].as_f64() > Some(5.0)).await;
    assert!(relay.stop().await);
    let records = nginx.records();
    assert_eq!(records.len(), 1, "{records:?}");
    player::ffmpeg_strict(&records[0], 4).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_that_is_stopped_and_killed_is_published_to_again() {
    let mut nginx = Nginx::start().await;
    let (_origin, relay) = pushed_to(&format!("rtmp://{}/live", nginx.address)).await;
    wait_report(&relay, SOON, |report| report["media_seconds"].as_f64() > Some(6.0)).await;
    nginx.signal("-STOP").await;
    let is_out = |report: &serde_json::Value| report["state"] != "publishing";
    let (report, noticed) = wait_report(&relay, 2 * NOTICED, is_out).await;
    assert_eq!(report["last_error"]["code"], "stalled", "nginx acknowledges: {report}");
    nginx.signal("-CONT").await;
    let is_back = |report: &serde_json::Value| report["state"] == "publishing";
    let (_, back) = wait_report(&relay, 3 * BACK, is_back).await;
    println!("nginx stopped: noticed {} ms, back {} ms", noticed.as_millis(), back.as_millis());
    assert!(noticed < 2 * NOTICED && back < 2 * BACK, "{noticed:?} {back:?}");

    nginx.child.kill().await.expect("it runs");
    let (_, noticed) = wait_report(&relay, SOON, is_out).await;
    nginx.again().await;
    let listens = Instant::now();
    wait_report(&relay, 3 * BACK, is_back).await;
    println!("nginx killed: noticed {} ms, back {} ms", noticed.as_millis(), listens.elapsed().as_millis());
    assert!(listens.elapsed() < 2 * BACK, "{:?}", listens.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_takes_it_and_decodes_it_without_an_error() {
    // It listens for one connection, at a port that was free a moment ago.
    let port = RtmpServer::absent(Manner::default()).await.address().port();
    let url = format!("rtmp://127.0.0.1:{port}/live/{KEY}");
    let ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-listen", "1", "-i", &url, "-t", "4", "-f", "null", "-"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ffmpeg = tokio::spawn(ffmpeg);
    let (_origin, relay) = pushed_to(&format!("rtmp://127.0.0.1:{port}/live")).await;
    let output = timeout(3 * SOON, ffmpeg).await.expect("it ends").expect("it is no panic").expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    // Whoever has seen enough says so to the publisher.
    let faults: Vec<&str> = text.lines().filter(|line| !line.contains("Input/output error")).collect();
    assert!(output.status.success() && faults.is_empty(), "{text}");
    let (report, _) = wait_report(&relay, SOON, |report| report["state"] != "publishing").await;
    assert_eq!(report["connects"], json!(1), "{report}");
}
