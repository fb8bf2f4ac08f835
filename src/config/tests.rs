//! One wrong file a case, with the whole message; and what good files mean.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use forebay_core::health::Rules;
use forebay_core::playlist::ladder::Prefer;
use forebay_relay::model::{Delivery, Hls, Policy, SourceKind};
use forebay_testkit::linear::assert_linear;

use super::*;

mod documentation;
mod health;
mod oidc;
mod providers;
mod tls;
mod wrong;
mod wrong_channels;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("channels.toml")).map_err(|err| err.to_string())
}

const GOOD: &str = r#"
[server]
listen = "127.0.0.1:1234"
public_url = "https://tv.example/forebay"
trusted_proxies = ["127.0.0.1", "10.1.2.3/8", "::1"]
admin_from = ["192.168.1.0/24", "::1"]
shutdown_grace = "1m"
max_connections = 5000
max_viewers_per_address = 4
max_bandwidth = "900 Mbit/s"
delivery = "copy"

[log]
level = "warn,forebay=debug"
format = "json"
file = "logs/forebay.log"
file_keep = 3

[data]
dir = "state"

[stream]
idle_timeout = "1h 30m"
buffer_bytes = "16MB"
hedge = "off"
slate_urls = ["*/limit*hunter2"]

[hls]
segment = "2s"
window = 10
max_bytes = "100 MiB"
dir = "cache/hls"

[films]
folders = ["videos", "/srv/films"]
segment = "4s"
rescan = "1m"
index_memory = "16 MiB"
cache = "256MiB"
ladder = ["480p"]

[resolver]
command = "/opt/yt-dlp"
plugin_dirs = ["plugins"]
proxy = "http://joe:hunter2@proxy:3128"
timeout = "20s"
memory = "1 GiB"
idle_stop = "1m"
max_running = 2
info_ttl = "30m"
url_ttl = "5m"
cache = "1 GiB"
downloads = "2 GiB"

[[channels]]
id = "one"

  [[channels.sources]]
  url = "http://joe:hunter2@h/live/joe/hunter2/1.ts?token=hunter2"
  user_agent = "VLC/3"
  headers = { X-Key = "hunter2", Accept = "*/*" }

[[channels]]
id = "two"
name = "Channel Two"
number = 1
group = "News"
logo = "https://h/two \"2\".png"
tvg_id = "two.example"
program = 1010
idle_timeout = "5s"
connect_timeout = "6s"
stall_timeout = "7s"
start_timeout = "8s"
buffer = "9s"
buffer_bytes = 2097152
burst = "500ms"
read_ahead = "20s"
viewer_timeout = "11s"
max_viewers = 12
timeshift = "2h"
timeshift_bytes = "100 GiB"
hedge = "3s"
return_after = "1m"
keep_alive = false
slate = true
slate_urls = []
health = { slow = "off", damaged = 5, repeating = "45s", confirm_frozen = true }
priority = -5
sources = ["testcard://", { url = "https://h/b.m3u8", max_bitrate = "5 Mbit/s", variant = "best" }]
"#;

#[test]
fn a_good_file_means_what_it_says() {
    let config = Config::parse(GOOD, Path::new("/etc/forebay/channels.toml")).unwrap();
    let Config {
        path,
        environment: _,
        server,
        auth: _,
        oidc: _,
        tokens: _,
        hdhomerun: _,
        log,
        data,
        hls_dir,
        films,
        resolver,
        house: _,
        providers: _,
        playlists,
        guides,
        pushes,
        transcode: _,
        webhooks,
        backups: _,
        channels,
    } = &config;
    assert_eq!(webhooks, &[]);
    assert_eq!(pushes, &[]);
    assert_eq!(path, Path::new("/etc/forebay/channels.toml"));
    assert_eq!(playlists, &[]);
    assert_eq!(guides, &[]);
    assert_eq!(server.listen.to_string(), "127.0.0.1:1234");
    assert_eq!(server.public_url.as_ref().unwrap().as_str(), "https://tv.example/forebay/");
    let proxies: Vec<_> = server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]);
    let admins: Vec<_> = server.admin_from.iter().map(ToString::to_string).collect();
    assert_eq!(admins, ["192.168.1.0/24", "::1/128"]);
    assert_eq!(server.shutdown_grace, Duration::from_mins(1));
    assert_eq!((server.max_connections, server.per_address.viewers), (5000, Quota::Most(4)));
    assert_eq!((server.max_bandwidth, server.delivery), (Some(900_000_000), Delivery::Copy));
    assert_eq!(log.level, "warn,forebay=debug");
    assert_eq!(log.format, LogFormat::Json);
    assert_eq!(log.file.as_deref(), Some(Path::new("/etc/forebay/logs/forebay.log")));
    assert_eq!(log.file_keep, 3);

    assert_eq!(*data, DataDir { path: "/etc/forebay/state".into(), is_configured: true });
    assert_eq!(hls_dir, Path::new("/etc/forebay/cache/hls"));
    let hls = Hls { segment: Duration::from_secs(2), window: 10, max_bytes: 100 << 20 };

    let folders = ["/etc/forebay/videos".into(), "/srv/films".into()].into();
    let (segment, rescan) = (Duration::from_secs(4), Duration::from_mins(1));
    assert_eq!(
        *films,
        Films {
            folders,
            segment,
            rescan,
            index_memory: 16 << 20,
            cache: 256 << 20,
            ladder: vec!["480p".into()]
        }
    );

    let minutes = Duration::from_mins;
    let limits = forebay_core::resolve::Limits {
        running: 2,
        info_lifetime: minutes(30),
        address_lifetime: minutes(5),
        ..Default::default()
    };
    let expected = Resolver {
        command: "/opt/yt-dlp".to_owned(),
        plugin_dirs: vec!["/etc/forebay/plugins".into()],
        proxy: Some("http://joe:hunter2@proxy:3128".parse().unwrap()),
        timeout: Duration::from_secs(20),
        memory: 1 << 30,
        idle_stop: minutes(1),
        cache: 1 << 30,
        downloads: 2 << 30,
        allow_private: false,
        limits,
    };
    assert_eq!(*resolver, expected);

    let [one, two] = &channels[..] else { panic!("{channels:?}") };
    assert_eq!((one.id.as_str(), &*one.name, one.number), ("one", "one", None));
    let idle_timeout = Duration::from_mins(90);
    let buffer_bytes = 16_000_000;
    assert_eq!(one.policy, Policy { idle_timeout, buffer_bytes, hedge: None, hls, ..Policy::default() });
    assert_eq!((one.priority, one.slate_urls.len()), (0, 1));
    assert!(one.slate_urls[0].matches("http://h/limit?token=hunter2"));
    let source = &one.sources[0];
    assert_eq!(source.slate_urls, one.slate_urls);
    assert_eq!(source.user_agent.as_deref(), Some("VLC/3"));
    let headers: Vec<_> =
        source.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers, [("x-key", "hunter2"), ("accept", "*/*")]);
    assert!(source.url.expose().as_str().contains("hunter2"));

    assert_eq!((&*two.name, two.number, two.program), ("Channel Two", Some(1), Some(1010)));
    assert_eq!((two.group.as_deref(), two.tvg_id.as_deref()), (Some("News"), Some("two.example")));
    assert_eq!(two.logo.as_deref(), Some("https://h/two%20%222%22.png"), "fit for a quoted attribute");
    let secs = Duration::from_secs;
    let policy = Policy {
        idle_timeout: secs(5),
        connect_timeout: secs(6),
        stall_timeout: secs(7),
        start_timeout: secs(8),
        buffer: secs(9),
        buffer_bytes: 2 << 20,
        burst: Duration::from_millis(500),
        read_ahead: secs(20),
        viewer_timeout: secs(11),
        max_viewers: Some(12),
        timeshift: Some(Duration::from_hours(2)),
        timeshift_bytes: 100 << 30,
        hedge: Some(secs(3)),
        return_after: Some(secs(60)),
        keep_alive: false,
        slate: true,
        confirm_frozen: true,
        health: Rules { slow: None, damaged: Some(5), repeating: Some(secs(45)), ..Rules::default() },
        hls,
    };
    assert_eq!(two.policy, policy);
    assert_eq!((two.priority, two.slate_urls.len()), (-5, 0));
    let kinds: Vec<_> = two.sources.iter().map(|source| source.url.kind()).collect();
    assert_eq!(kinds, [SourceKind::TestCard, SourceKind::Http]);
    let choices: Vec<_> = two.sources.iter().map(|source| (source.max_bitrate, source.variant)).collect();
    assert_eq!(choices, [(None, Prefer::Compatible), (Some(5_000_000), Prefer::Best)]);
    assert_eq!(config.warnings(), [""; 0]);
}

#[test]
fn an_empty_file_is_all_defaults() {
    let config = parse("").unwrap();
    let (server, log) = (Server::default(), Log::default());
    let data = DataDir { path: "data".into(), is_configured: false };
    let hls_dir = "hls_cache".into();
    let (providers, playlists, channels) = (Vec::new(), Vec::new(), Vec::new());
    let environment = Environment::default();
    let house = House::default();
    assert_eq!(
        config,
        Config {
            path: "channels.toml".into(),
            environment,
            server,
            auth: Auth::default(),
            oidc: None,
            tokens: Tokens::default(),
            hdhomerun: Hdhomerun::default(),
            log,
            data,
            hls_dir,
            films: Films::default(),
            resolver: Resolver::default(),
            house,
            providers,
            playlists,
            guides: Vec::new(),
            pushes: Vec::new(),
            transcode: Transcode::default(),
            webhooks: Vec::new(),
            backups: Backups { folder: "data/backups".into(), ..Backups::default() },
            channels
        }
    );
}

#[test]
fn nothing_printed_holds_a_secret() {
    let config = parse(GOOD).unwrap();
    let channel = &config.channels[0];
    let source = &channel.sources[0];
    for shown in [
        format!("{config:?}"),
        format!("{config:#?}"),
        format!("{channel:?}"),
        format!("{source:?}"),
        format!("{:?}", source.url),
        source.url.to_string(),
    ] {
        assert!(shown.contains("http://h/***/1.ts?token=***"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("joe"), "{shown}");
    }
}

#[test]
fn a_channel_is_found_by_its_id_first_and_then_by_its_number() {
    let channel = |id: &str, number: u32| {
        format!("[[channels]]\nid = \"{id}\"\nnumber = {number}\nsources = [\"testcard://\"]\n")
    };
    let config = parse(&(channel("a", 2) + &channel("2", 7))).unwrap();
    let found = |text: &str| config.channel_by_number_or_id(text).map(|channel| channel.id.to_string());
    assert_eq!(found("a").as_deref(), Some("a"));
    assert_eq!(found("2").as_deref(), Some("2"));
    assert_eq!(found("7").as_deref(), Some("2"));
    assert_eq!(found("8"), None);
    assert!(config.channel("2").is_some() && config.channel("7").is_none());
}

#[test]
fn doubtful_things_are_warned_of() {
    for (text, warning) in [
        ("", "there are no channels"),
        (
            "[[channels]]\nid = 'a'\nsources = ['http://u:p@h/', 'testcard://', 'http://u:p@h/']",
            "channel \"a\": source 3 is the same as source 1",
        ),
        (
            "[[channels]]\nid = 'a'\nnumber = 2\nsources = ['testcard://']
             [[channels]]\nid = '2'\nsources = ['testcard://']",
            "channel \"2\": its id is the number of another channel, and wins over it",
        ),
        (
            "[[channels]]\nid = 'a'\nconnect_timeout = '11s'\nsources = ['testcard://']",
            "channel \"a\": connect_timeout is longer than start_timeout",
        ),
        (
            "[[channels]]\nid = 'a'\nsources = [{ url = 'testcard://', user_agent = 'x' }]",
            "channel \"a\": source 1 is not http, so its headers and user_agent have no use",
        ),
    ] {
        assert_eq!(parse(text).unwrap().warnings(), [warning], "{text}");
    }
}

#[test]
fn equal_channels_compare_equal_and_others_do_not() {
    let first = parse(GOOD).unwrap();
    assert_eq!(first, parse(GOOD).unwrap());
    let second = parse(&GOOD.replace("X-Key = \"hunter2\"", "X-Key = \"hunter3\"")).unwrap();
    assert_ne!(first.channels[0], second.channels[0]);
    assert_eq!(first.channels[1], second.channels[1]);
}

#[test]
fn the_sample_that_ships_is_good() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("channels.toml");
    let config = Config::load(&path).unwrap();
    assert_eq!(config.warnings(), [""; 0]);
    let ids: Vec<_> = config.channels.iter().map(|channel| (channel.id.as_str(), channel.number)).collect();
    assert_eq!(ids, [("testcard", Some(1)), ("testcard-backup", Some(2))]);
    let sources: Vec<_> = config.channels[1].sources.iter().map(|source| source.url.to_string()).collect();
    assert_eq!(sources, ["http://127.0.0.1:9/none.ts", "testcard://"]);

    // The channel in comments is good too.
    let text = std::fs::read_to_string(&path).unwrap();
    let own = text.split_once("# One of your own:\n").unwrap().1;
    let own: Vec<_> = own.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    let config = Config::parse(&own.join("\n"), &path).unwrap();
    assert_eq!(config.channels[0].sources[1].headers.len(), 1);
}

#[test]
fn a_file_that_is_not_there_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str| {
        let message = Config::load(&folder.path().join(name)).unwrap_err().to_string();
        message.replace(&format!("{}/", folder.path().display()), "")
    };
    assert_eq!(load("none.toml"), "none.toml: no such file; name another one with --config FILE");
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    assert_eq!(load("folder"), "folder: cannot be read: Is a directory");
    std::fs::write(folder.path().join("latin1.toml"), b"# caf\xe9").unwrap();
    assert_eq!(load("latin1.toml"), "latin1.toml: not a text in UTF-8");
}

#[test]
fn what_is_no_file_or_has_no_end_is_refused_at_once() {
    use rustix::fs::{CWD, Mode, mkfifoat};
    let folder = tempfile::tempdir().unwrap();
    let load = |path: &Path| {
        let message = Config::load(path).unwrap_err().to_string();
        message.strip_prefix(&format!("{}: cannot be read: ", path.display())).unwrap().to_owned()
    };
    let pipe = folder.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    assert_eq!(load(&pipe), "it is no file");
    assert_eq!(load(Path::new("/dev/zero")), "it is no file");
    let large = folder.path().join("large");
    std::fs::File::create(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    assert_eq!(load(&large), "it is larger than 64 MiB");
}

#[test]
fn the_first_hundred_faults_are_told_and_the_rest_is_counted() {
    let channels = "[[channels]]\nid = \"no id\"\nsources = [\"testcard://\"]\n".repeat(300);
    // What is checked first stands last.
    let message = parse(&format!("{channels}[log]\nlevel = \"loud\"\n")).unwrap_err();
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 101);
    assert!(lines[0].starts_with("channels.toml:2:6: id: "), "{}", lines[0]);
    assert!(lines[99].starts_with("channels.toml:299:6: id: "), "{}", lines[99]);
    assert_eq!(lines[100], "channels.toml: and 201 more faults, which are not shown");
    // And first here, and stays though it is not told last.
    let message = parse(&format!("[log]\nlevel = \"loud\"\n{channels}")).unwrap_err();
    let lines: Vec<&str> = message.lines().collect();
    assert!(lines[0].starts_with("channels.toml:2:9: level: "), "{}", lines[0]);
    assert!(lines[99].starts_with("channels.toml:298:6: id: "), "{}", lines[99]);
    assert_eq!(lines[100], "channels.toml: and 201 more faults, which are not shown");
}

#[test]
fn good_and_bad_files_are_read_in_linear_time() {
    let many = |make: fn(usize) -> String| {
        move |length: usize| (0..length / 64).map(make).collect::<Vec<String>>().join("\n")
    };
    for (name, make) in [
        ("channels", many(|at| format!("[[channels]]\nid = \"c{at}\"\nsources = [\"testcard://\"]"))),
        ("faults", many(|at| format!("[[channels]]\nid = \"no id {at}\"\nsources = [\"nothing\"]"))),
        ("the same id", many(|_| "[[channels]]\nid = \"a\"\nsources = [\"testcard://\"]".to_owned())),
    ] {
        assert_linear(name, 1 << 20, make, |text| {
            let _ = std::hint::black_box(parse(text));
        });
    }
    let networks = |length: usize| format!("[server]\ntrusted_proxies = [{}]", "\"x\", ".repeat(length / 5));
    assert_linear("faults in one line", 1 << 20, networks, |text| {
        let _ = std::hint::black_box(parse(text));
    });
}

#[test]
fn what_was_typed_is_not_repeated_without_end() {
    let message = parse(&format!("[log]\nlevel = \"{}\"", "ä".repeat(100_000))).unwrap_err();
    assert!(message.ends_with("ä…") && message.chars().count() < 600, "{message}");
}

#[test]
fn many_faults_in_one_line_have_their_places() {
    let networks = "\"ä\", ".repeat(3);
    let message = parse(&format!("\u{feff}[server]\ntrusted_proxies = [{networks}]")).unwrap_err();
    let places: Vec<&str> = message.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["channels.toml:2:20", "channels.toml:2:25", "channels.toml:2:30"]);
}

#[test]
fn wrong_files_say_what_is_wrong_and_where() {
    for (text, messages) in wrong::WRONG.iter().chain(wrong_channels::WRONG) {
        let expected: Vec<String> =
            messages.iter().map(|message| format!("channels.toml:{message}")).collect();
        let message = parse(text).unwrap_err();
        assert_eq!(message, expected.join("\n"), "{text}");
        assert!(!message.contains("hunter2") && !message.contains("joe"), "{message}");
    }
}

#[test]
fn a_file_source_must_be_readable() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.ts"), "").unwrap();
    let text = "[[channels]]\nid = 'a'\nsources = ['file:a.ts', 'file:b.ts',\n'file:.']";
    let path = folder.path().join("channels.toml");
    let message = Config::parse(text, &path).unwrap_err().to_string();
    let expected = "channels.toml:3:25: source: cannot read b.ts: No such file or directory
channels.toml:4:1: source: names no file; write file:clips/a.ts (from the folder of the configuration) or file:///srv/a.ts";
    assert_eq!(message.replace(&format!("{}/", folder.path().display()), ""), expected);

    let config = Config::parse(&text.replace(", 'file:b.ts',\n'file:.'", ""), &path).unwrap();
    assert_eq!(config.channels[0].sources[0].url.file_path(), Some(folder.path().join("a.ts")));
}
