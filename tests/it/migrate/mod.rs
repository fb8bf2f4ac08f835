//! Moving in from other programs: what comes over is what was there, and the rest is told.

mod programs;

use std::path::{Path, PathBuf};

use forebay_testkit::client::{Answer, Request, Viewer, get};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin, Reply};
use forebay_testkit::ts::{Checker, PACKET_SIZE};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Program, Setup};

/// A Forebay that is moved into, and the servers of providers.
struct House {
    folder: TempDir,
    origin: Origin,
}

/// How a command ended.
struct Said {
    is_ok: bool,
    text: String,
}

impl House {
    async fn new() -> Self {
        Self::with("").await
    }

    async fn with(channels: &str) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        // Guides that lists name are on this machine, too.
        let server = "[server]\nlisten = \"127.0.0.1:0\"\nallow_private_sources = true\n";
        let text = format!("{server}[data]\ndir = \"data\"\n{channels}");
        std::fs::write(folder.path().join("channels.toml"), text).expect("its own folder can be written");
        Self { folder, origin: Origin::start().await }
    }

    /// Plays at these addresses of providers.
    fn plays(&self, paths: &[&str]) {
        for path in paths {
            self.origin.serve(path, Behaviour::ts(Clip::get(Kind::H264Aac)));
        }
    }

    /// A copy of a fixture, in which all providers are the origin.
    fn fixture(&self, name: &str) -> PathBuf {
        let from: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "migrate", name].iter().collect();
        let to = self.folder.path().join(name);
        std::fs::create_dir_all(&to).expect("its own folder can be written");
        for entry in std::fs::read_dir(from).expect("the fixture is there") {
            let path = entry.expect("the fixture is there").path();
            let text = self.ours(&std::fs::read_to_string(&path).expect("a fixture is a text"));
            let file = path.file_name().expect("a file has a name");
            std::fs::write(to.join(file), text).expect("its own folder can be written");
        }
        to
    }

    fn ours(&self, text: &str) -> String {
        let hosts = ["acme.example:8080", "acme.example", "other.example", "guide.example", "house.example"];
        let hosts = hosts.into_iter().chain(["tuliprox.example"]);
        hosts
            .fold(text.to_owned(), |text, host| text.replace(&format!("http://{host}"), &self.origin.url("")))
    }

    async fn try_run(&self, arguments: &[&str]) -> Said {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_forebay"))
            .args(arguments)
            .arg("--config")
            .arg(self.folder.path().join("channels.toml"))
            .output()
            .await
            .expect("the binary under test can be run");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).expect("the program writes text");
        for secret in ["s3cret", "12345678", "watches-tv", "key-of-an-admin"] {
            assert!(!text.contains(secret), "{arguments:?}: {text}");
        }
        Said { is_ok: output.status.success(), text }
    }

    /// Runs a command, which has to work; what it says.
    async fn run(&self, arguments: &[&str]) -> String {
        let said = self.try_run(arguments).await;
        assert!(said.is_ok, "{arguments:?}: {}", said.text);
        said.text
    }

    /// Starts Forebay, moves in once more, and looks whether anything is another thing then.
    async fn starts_and_moves_in_again(&self, arguments: &[&str]) -> Program {
        let copy = tempfile::tempdir().expect("the temporary folder can be written");
        let script = format!("cp -a {}/. {}", self.folder.path().display(), copy.path().display());
        let copied = std::process::Command::new("sh").args(["-c", &script]).status();
        assert!(copied.expect("there is a shell").success());
        // Ours is there no more: the command is to find the one that runs.
        let program = Setup::again(copy).start().await;
        let before = everything(&program).await;
        let config = program.folder().join("channels.toml");
        let address = program.address().to_string();
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_forebay"))
            .args(arguments)
            .args(["--listen", &address, "--config"])
            .arg(config)
            .current_dir(program.folder())
            .output()
            .await
            .expect("the binary under test can be run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(": unchanged\n"), "{text}");
        assert!(!text.contains(": added"), "{text}");
        assert_eq!(everything(&program).await, before);
        program
    }
}

/// All that a second run could change.
async fn everything(program: &Program) -> Vec<String> {
    let mut all = Vec::new();
    for path in [
        "/playlist.m3u",
        "/lineup.json",
        "/discover.json",
        "/api/lineup/channels?limit=500",
        "/api/lineup/merges",
        "/api/users",
    ] {
        all.push(asked(program, path).await.text());
    }
    all
}

/// An answer to the operator: this process talks to origins, too, so it has to say who it is.
async fn asked(program: &Program, path: &str) -> Answer {
    let request = Request::get(program.address(), path);
    let request = if path.starts_with("/api/") {
        request.header("Authorization", &program.admin_token())
    } else {
        request
    };
    let answer = request.send().await.expect("the relay answers");
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer
}

async fn json(program: &Program, path: &str) -> Value {
    asked(program, path).await.json()
}

/// The entries of the playlist that viewers get: number, name, group and guide id of each. Lists
/// have guide ids of our own, so these are those by which channels find their guide.
async fn told(program: &Program) -> Vec<String> {
    let channels = json(program, "/api/lineup/channels?limit=500").await;
    let channels = channels["channels"].as_array().expect("it is a list");
    let text = get(program.address(), "/playlist.m3u").await.text();
    let entries = text.lines().filter_map(|line| line.strip_prefix("#EXTINF:-1 "));
    let entry = |entry: &str| {
        let of = |name: &str| {
            let value = entry.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
            value.map_or("", |(value, _)| value).to_owned()
        };
        let (number, name) = (of("tvg-chno"), entry.rsplit_once("\",").expect("an entry has attributes").1);
        let is_it = |one: &&Value| one["name"] == name && one["number"] == *number && one["leader"].is_null();
        let channel = channels.iter().find(is_it).expect("what is listed is a channel");
        let guide_id = channel["tvg_id"].as_str().expect("it is a text");
        format!("{number} | {name} | {} | {guide_id}", of("group-title"))
    };
    entries.map(entry).collect()
}

/// The numbers by which Plex knows the channels.
async fn guide_numbers(program: &Program) -> Vec<String> {
    let lineup = json(program, "/lineup.json").await;
    let channels = lineup.as_array().expect("it is a list").iter();
    channels.map(|channel| channel["GuideNumber"].as_str().expect("it is a text").to_owned()).collect()
}

/// Plays a channel, and says at which addresses it was looked for, in their order.
async fn plays_after(program: &Program, origin: &Origin, number: &str, begins: &str) -> Vec<String> {
    let mut viewer = Viewer::get(program.address(), &format!("/auto/v{number}")).await;
    assert_eq!(viewer.status(), 200);
    Checker::check(&viewer.read_until(100 * PACKET_SIZE).await).assert_clean();
    let mut paths: Vec<String> = Vec::new();
    for request in origin.requests() {
        if request.path.starts_with(begins) && !paths.contains(&request.path) {
            paths.push(request.path);
        }
    }
    paths
}

fn has_all(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a folder of tests is a text")
}

/// Answers as Dispatcharr does to whoever has the key.
fn dispatcharr(house: &House) {
    let folder = house.fixture("dispatcharr");
    for (path, file) in [
        ("/api/channels/channels/", "channels.json"),
        ("/api/channels/groups/", "groups.json"),
        ("/api/channels/logos/", "logos.json"),
        ("/api/epg/epgdata/", "epgdata.json"),
        ("/api/epg/sources/", "epg-sources.json"),
        ("/api/accounts/users/", "users.json"),
        ("/api/m3u/accounts/", "accounts.json"),
    ] {
        let body = std::fs::read(folder.join(file)).expect("the fixture is there");
        let answer = Behaviour::handler(move |request| {
            let is_known = request.header("x-api-key") == Some("key-of-an-admin");
            let status = if is_known { 200 } else { 403 };
            Reply::new(status, "application/json", if is_known { body.clone() } else { Vec::new() })
        });
        house.origin.serve(path, answer);
    }
    let discover = Behaviour::body("application/json", "{\"DeviceID\": \"A1B2C3D4\"}");
    house.origin.serve("/hdhr/discover.json", discover);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_taken_is_told() {
    let taken = "[[channels]]\nid = 'mine'\nnumber = 103\nsources = ['testcard://']\n";
    let house = House::with(taken).await;
    let folder = house.fixture("threadfin");
    let done = house.run(&["migrate", "from", "threadfin", path(&folder), "--apply"]).await;
    has_all(&done, &["channel BBC Two: 1 and not 103, which is taken"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_is_named_and_changes_nothing() {
    let house = House::new().await;
    dispatcharr(&house);
    let [threadfin, tuliprox] = ["threadfin", "tuliprox"].map(|name| house.fixture(name));
    let fails = async |arguments: &[&str], reason: &str| {
        let said = house.try_run(&[&["migrate", "from"][..], arguments, &["--apply"]].concat()).await;
        assert!(!said.is_ok && said.text.contains(reason), "{arguments:?}: {}", said.text);
        assert!(!house.folder.path().join("data").exists(), "{arguments:?} changed something");
    };
    let broken = async |folder: &Path, file: &str, text: Option<&str>, arguments: &[&str], reason: &str| {
        let file = folder.join(file);
        let good = std::fs::read_to_string(&file).expect("the fixture is there");
        match text {
            Some(text) => std::fs::write(&file, text).expect("its own folder can be written"),
            None => std::fs::write(&file, &good[..good.len() / 2]).expect("its own folder can be written"),
        }
        fails(arguments, reason).await;
        std::fs::write(&file, good).expect("its own folder can be written");
    };
    for file in ["xepg.json", "settings.json", "authentication.json"] {
        let arguments = ["threadfin", path(&threadfin)];
        broken(&threadfin, file, None, &arguments, &format!("{file} is no JSON")).await;
        broken(&threadfin, file, Some("[]"), &arguments, &format!("{file} is no JSON object")).await;
    }
    for file in ["source.yml", "api-proxy.yml"] {
        let text = "inputs:\n  - name: \"acme\n    password: s3cret: [\n";
        let arguments = ["tuliprox", path(&tuliprox)];
        broken(&tuliprox, file, Some(text), &arguments, &format!("{file} is no YAML")).await;
    }
    fails(&["xteve", "nowhere"], "cannot read nowhere/xepg.json").await;
    let list = house.folder.path().join("page.m3u");
    std::fs::write(&list, "<html>s3cret</html>").expect("its own folder can be written");
    fails(&["m3u", path(&list)], "is no list of channels").await;
    fails(&["xtream", "http://provider.example/"], "no address of an account").await;
    let (url, key) = (house.origin.url(""), house.folder.path().join("key"));
    fails(&["dispatcharr", &*url], "--api-key-file is missing").await;
    std::fs::write(&key, "another\n").expect("its own folder can be written");
    let arguments = ["dispatcharr", &*url, "--api-key-file", path(&key)];
    fails(&arguments, "the key is not one of an admin").await;
    std::fs::write(&key, "key-of-an-admin\n").expect("its own folder can be written");
    house.origin.serve("/api/accounts/users/", Behaviour::body("text/html", "<html>"));
    fails(&arguments, "api/accounts/users/: the answer is no JSON").await;
    // Nor does it go half of the way where the tuner's id is not known.
    fails(&["tuliprox", path(&tuliprox), "--keep-device"], "give --device-id").await;
}
