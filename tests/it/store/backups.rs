//! `forebay backup` and `forebay restore`, and the programs that start with them.

use forebay::db::{Database, relays as rows};
use forebay_testkit::client::{self, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::{Checker, PACKET_SIZE};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{all, card, fill};
use crate::program::{Finished, Program, Setup};

const CARD: &str = "[[channels]]\nid = \"card\"\nsources = [\"testcard://\"]\n";

/// A folder with a configuration and a database.
async fn folder(ids: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("there is room");
    let config = format!("[server]\nlisten = \"127.0.0.1:0\"\n{CARD}");
    std::fs::write(folder.path().join("channels.toml"), config).expect("there is room");
    fill(&folder.path().join("data"), ids).await;
    folder
}

/// Runs a command in a folder, and gives the folder back.
async fn run(folder: TempDir, words: &[&str]) -> (TempDir, Finished) {
    let setup = Setup::again(folder);
    words.iter().fold(setup, |setup, word| setup.arg(word)).spawn().wait_in_folder().await
}

fn ok((folder, finished): (TempDir, Finished)) -> (TempDir, String) {
    assert!(finished.status.success(), "{finished:?}");
    (folder, finished.output)
}

fn refused((folder, finished): (TempDir, Finished), piece: &str) -> TempDir {
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert!(finished.log.starts_with("forebay: ") && finished.log.contains(piece), "{finished:?}");
    folder
}

async fn paths(folder: &TempDir) -> Vec<(i64, String)> {
    let database = Database::open(&folder.path().join("data")).expect("it is good");
    let relays = all(&database).await;
    database.close().await;
    relays.iter().map(|relay| (relay.id.0, relay.document.spec().id.clone().expect("it has one"))).collect()
}

#[tokio::test]
async fn an_empty_machine_becomes_the_same_server() {
    let program = Setup::again(folder(&["one", "two"]).await).start().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("forebay.backup");
    let file = file.to_str().unwrap();
    let config = program.folder().join("channels.toml");
    let config = config.to_str().unwrap();

    // While it runs, a backup is made and none restored.
    let backup = Setup::with_config("").arg("backup").arg("--config").arg(config).arg(file).run().await;
    assert_eq!((backup.status.code(), &*backup.output), (Some(0), &*format!("{file}: ok\n")), "{backup:?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let restore = Setup::with_config("").arg("restore").arg("--config").arg(config).arg(file).run().await;
    assert_eq!(restore.status.code(), Some(1), "{restore:?}");
    let id = program.id();
    assert!(
        restore.log.starts_with(&format!("forebay: another Forebay (process {id}) uses ")),
        "{restore:?}"
    );
    let old = client::get(program.address(), "/playlist.m3u").await.text();
    let address = program.address().to_string();
    program.signal(Signal::TERM);
    program.wait().await;

    // On an empty machine, it brings its configuration, too.
    let (empty, told) = ok(run(tempfile::tempdir().unwrap(), &["restore", file]).await);
    assert_eq!(told, "channels.toml: restored\ndata/forebay.db: restored\n");
    assert_eq!(paths(&empty).await, [(1, "one".into()), (2, "two".into())]);
    let program = Setup::again(empty).start().await;
    let new = client::get(program.address(), "/playlist.m3u").await.text();
    assert_eq!(new.replace(&program.address().to_string(), &address), old);
    let mut viewer = Viewer::get(program.address(), "/stream/card.ts").await;
    assert!(!viewer.read_until(PACKET_SIZE).await.is_empty(), "it plays");
}

/// What an admin is told at this path.
async fn told(program: &Program, path: &str) -> Value {
    let request = Request::get(program.address(), path).header("Authorization", &program.admin_token());
    let answer = request.send().await.expect("the program answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lineup_is_on_an_empty_machine_what_it_was_and_plays() {
    let origin = Origin::start().await;
    origin.serve("/live/joe/secret/2.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let entry = |at: u32| {
        let url = origin.url(&format!("/live/joe/secret/{at}.ts"));
        format!("#EXTINF:-1 tvg-id=\"c{at}.uk\" group-title=\"G{}\",Channel {at}\n{url}\n", at % 2)
    };
    let here = folder(&["one"]).await;
    std::fs::write(here.path().join("list.m3u"), (1..=9).map(entry).collect::<String>()).unwrap();
    let (here, _) = ok(run(here, &["import", "list.m3u", "--name", "Mine"]).await);
    let program = Setup::again(here).start().await;
    let change = async |method: &str, path: &str, body: Value| {
        let request = Request::new(method, program.address(), path);
        let request = request.header("Authorization", &program.admin_token()).json(&body);
        let answer = request.send().await.expect("the program answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    };
    let own = json!({ "name": "Mine", "number": "77.1", "tvg_id": "mine.uk", "logo": "http://l.example/" });
    change("PATCH", "/api/lineup/channels/2", own).await;
    change("PATCH", "/api/lineup/channels/3", json!({ "hidden": true })).await;
    change("POST", "/api/lineup/moves", json!({ "channels": [8], "before": 2 })).await;
    let rule = json!({ "contains": "Channel 5", "action": "rename", "to": "Five" });
    change("PUT", "/api/playlists/1/rules", json!({ "rules": [rule] })).await;
    let paths = ["/api/lineup/channels", "/api/relays", "/api/playlists/1/rules", "/api/channels"];
    let shown = async |program: &Program| {
        let list = client::get(program.address(), "/playlist.m3u").await.text();
        let list = list.replace(&program.address().to_string(), "HOST");
        let mut all = vec![Value::from(list)];
        for path in paths {
            all.push(told(program, path).await);
        }
        all
    };
    let old = shown(&program).await;
    let list = old[0].as_str().expect("a text");
    assert!(
        list.contains("tvg-chno=\"77.1\"") && list.contains(",Five\n") && !list.contains("Channel 3"),
        "{list}"
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("forebay.backup");
    program.signal(Signal::TERM);
    let (here, _) = program.wait_in_folder().await;
    ok(run(here, &["backup", file.to_str().unwrap()]).await);

    let (empty, _) = ok(run(tempfile::tempdir().unwrap(), &["restore", file.to_str().unwrap()]).await);
    let program = Setup::again(empty).start().await;
    let new = shown(&program).await;
    for (at, (new, old)) in new.iter().zip(&old).enumerate() {
        assert_eq!(new, old, "{at}");
    }
    let mut viewer = Viewer::get(program.address(), "/stream/channel-2-2.ts").await;
    assert_eq!(viewer.status(), 200);
    Checker::check(&viewer.read_until(100 * PACKET_SIZE).await).assert_clean();
}

#[tokio::test]
async fn what_was_there_is_kept() {
    let (from, _) = ok(run(folder(&["new"]).await, &["backup", "b.db"]).await);
    let file = from.path().join("b.db");
    let (here, told) = ok(run(folder(&["old"]).await, &["restore", file.to_str().unwrap()]).await);
    assert_eq!(paths(&here).await, [(1, "new".into())]);
    let kept = here.path().join(told.trim().rsplit_once("what was there is ").unwrap().1);
    let as_it_was = tempfile::tempdir().unwrap();
    std::fs::create_dir(as_it_was.path().join("data")).unwrap();
    std::fs::copy(kept, as_it_was.path().join("data/forebay.db")).unwrap();
    assert_eq!(paths(&as_it_was).await, [(1, "old".into())]);
}

/// Which may be why somebody restores. SQLite would put its log into whatever lies beside it.
#[tokio::test]
async fn a_damaged_database_and_its_log_do_not_get_into_the_restored_one() {
    let (from, _) = ok(run(folder(&["new"]).await, &["backup", "b.db"]).await);
    let here = folder(&["old"]).await;
    let data = here.path().join("data");
    let database = Database::open(&data).unwrap();
    let document = card("in-the-log");
    let write = database.write(move |connection| rows::insert(connection, &document));
    write.await.unwrap();
    let log = std::fs::read(data.join("forebay.db-wal")).unwrap();
    assert!(!log.is_empty());
    database.close().await;
    std::fs::write(data.join("forebay.db"), "damaged").unwrap();
    std::fs::write(data.join("forebay.db-wal"), &log).unwrap();
    let file = from.path().join("b.db");
    let (here, told) = ok(run(here, &["restore", file.to_str().unwrap()]).await);
    assert_eq!(paths(&here).await, [(1, "new".into())]);
    let kept = here.path().join(told.trim().rsplit_once("what was there is ").unwrap().1);
    assert!(std::fs::read(&kept).unwrap() == b"damaged", "it is as it was");
    assert!(std::fs::read(kept.with_extension("db-wal")).unwrap() == log, "and so is its log");
}

#[tokio::test]
async fn what_would_be_lost_or_is_no_backup_is_refused() {
    let here = folder(&["one"]).await;
    let (here, _) = ok(run(here, &["backup", "b.db"]).await);
    let (here, _) = ok(run(here, &["backup", "b.db"]).await);
    let here = refused(
        run(here, &["backup", "channels.toml"]).await,
        "channels.toml is there already and is no backup of Forebay",
    );
    let here =
        refused(run(here, &["backup", "data/forebay.db"]).await, "data/forebay.db is the database itself");
    let here = refused(run(here, &["backup", "nowhere/b.db"]).await, "cannot write nowhere/b.db: ");
    let here =
        refused(run(here, &["restore", "channels.toml"]).await, "channels.toml is no backup of Forebay");
    let here = refused(run(here, &["restore", "gone.db"]).await, "gone.db");

    let mut bytes = std::fs::read(here.path().join("b.db")).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0x55);
    std::fs::write(here.path().join("damaged.db"), bytes).unwrap();
    let here = refused(run(here, &["restore", "damaged.db"]).await, "damaged.db is damaged: ");
    assert_eq!(paths(&here).await, [(1, "one".into())], "nothing was changed");
    let left: Vec<_> = std::fs::read_dir(here.path().join("data")).unwrap().flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().contains("new")), "{left:?}");

    let empty = tempfile::tempdir().unwrap();
    std::fs::write(empty.path().join("channels.toml"), CARD).unwrap();
    refused(run(empty, &["backup", "b.db"]).await, "there is no database at data/forebay.db");
}

#[tokio::test]
async fn backups_without_a_file_are_listed_and_the_latest_is_restored() {
    let folder = folder(&["one"]).await;
    let (folder, made) = ok(run(folder, &["backup"]).await);
    assert!(made.contains("data/backups/forebay-") && made.trim_end().ends_with(".backup: ok"), "{made}");
    fill(&folder.path().join("data"), &["two"]).await;
    assert_eq!(paths(&folder).await.len(), 2);
    let (folder, listed) = ok(run(folder, &["restore"]).await);
    assert_eq!(listed.lines().filter(|line| line.contains(".backup")).count(), 1, "{listed}");
    let (folder, restored) = ok(run(folder, &["restore", "latest"]).await);
    assert!(restored.contains("what was there is"), "{restored}");
    assert_eq!(paths(&folder).await, [(1, "one".to_owned())]);
    refused(run(folder, &["restore", "forebay-20200101-000000.backup"]).await, "there is no database");
}

#[tokio::test]
async fn a_backup_is_made_and_restored_at_the_next_start_by_the_api() {
    let program = Setup::again(folder(&["one"]).await).start().await;
    let admin = |method: &str, path: &str| {
        let request = Request::new(method, program.address(), path);
        request.header("Authorization", &program.admin_token())
    };
    let made = admin("POST", "/api/backups").send().await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    let made: Value = serde_json::from_str(&made.text()).unwrap();
    let name = made["name"].as_str().unwrap();
    let there: Value =
        serde_json::from_str(&admin("GET", "/api/backups").send().await.unwrap().text()).unwrap();
    assert_eq!((&there["backups"][0], &there["keep"], &there["every"]), (&made, &7.into(), &86_400.into()));
    let file = admin("GET", &format!("/api/backups/{name}")).send().await.unwrap();
    assert_eq!((file.status, file.header("Cache-Control")), (200, Some("no-store")));
    assert_eq!(file.header("Content-Disposition"), Some(&*format!("attachment; filename=\"{name}\"")));
    assert_eq!(made["size"], file.body.len());
    let relay = json!({ "name": "Two", "output_path": "two", "source_urls": ["http://h.example/two.ts"] });
    let added = admin("POST", "/api/relays").json(&relay).send().await.unwrap();
    assert_eq!(added.status, 201, "{}", added.text());
    for (other, status) in [("none.backup", 404), ("..%2Fforebay.db", 404), (name, 202)] {
        let asked = admin("POST", &format!("/api/backups/{other}/restore")).send().await.unwrap();
        assert_eq!(asked.status, status, "{other}: {}", asked.text());
        let read = admin("GET", &format!("/api/backups/{other}")).send().await.unwrap();
        assert_eq!(read.status == 200, status == 202, "{other}: {}", read.text());
    }
    // It may be taken back, and asked for again; one that is damaged changes nothing.
    let restore = format!("/api/backups/{name}/restore");
    let next = async || admin("GET", "/api/backups").send().await.unwrap().json()["restores_next"].clone();
    assert_eq!(next().await, name);
    for status in [204, 404] {
        assert_eq!(admin("DELETE", &restore).send().await.unwrap().status, status);
        assert_eq!(next().await, Value::Null);
    }
    assert_eq!(admin("POST", &restore).send().await.unwrap().status, 202);
    let damaged = program.folder().join("data/backups/forebay-1.backup");
    std::fs::write(damaged, &file.body[..file.body.len() / 2]).unwrap();
    let refused = admin("POST", "/api/backups/forebay-1.backup/restore").send().await.unwrap();
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (422, &json!("unusable_backup")));
    assert_eq!(next().await, name);
    let audit = admin("GET", "/api/audit").send().await.unwrap().json();
    let actions = audit["entries"].as_array().unwrap().iter();
    let actions: Vec<_> = actions.filter_map(|entry| entry["action"].as_str()).collect();
    for action in ["backup.make", "backup.download", "backup.restore", "backup.leave"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
    program.signal(Signal::TERM);
    let (folder, _) = program.wait_in_folder().await;
    let program = Setup::again(folder).start().await;
    program.signal(Signal::TERM);
    let (folder, _) = program.wait_in_folder().await;
    assert_eq!(paths(&folder).await, [(1, "one".to_owned())]);
    let kept = std::fs::read_dir(folder.path().join("data")).unwrap().flatten();
    let kept = kept.filter(|entry| entry.file_name().to_string_lossy().starts_with("forebay-before-restore"));
    assert_eq!(kept.count(), 1);
}
