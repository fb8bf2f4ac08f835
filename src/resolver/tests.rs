//! The real yt-dlp, with an extractor that asks a site of the test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use forebay_core::resolve::{Limits, Platform};
use forebay_testkit::addresses::{NOT_PUBLIC, PUBLIC};
use forebay_testkit::platform::{Platform as Site, yt_dlp};
use forebay_testkit::proxy::Proxy;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use url::{Host, Url};

use super::*;

fn settings(site: &Site) -> Settings {
    Settings {
        command: yt_dlp().display().to_string(),
        plugin_dirs: vec![site.plugins().to_owned()],
        timeout: Duration::from_secs(20),
        allow_private: true,
        limits: Limits { running: 8, ..Limits::default() },
        ..Settings::default()
    }
}

/// A resolver with its service, which ends with the test.
fn resolver(settings: Settings) -> Resolver {
    let resolver = Resolver::new(settings);
    let running = resolver.clone();
    tokio::spawn(async move { running.run(CancellationToken::new()).await });
    resolver
}

/// The video of this name.
fn page(name: &str) -> Page {
    Page::new(Platform::YouTube, &Site::id(name)).unwrap()
}

async fn class(resolver: &Resolver, name: &str) -> Class {
    resolver.ask(&page(name), Need::Info).await.unwrap_err().failure.class
}

/// The processes of a page that hangs.
async fn processes(site: &mut Site) -> [Pid; 2] {
    site.processes().await.map(|number| Pid::from_raw(number).unwrap())
}

/// Waits until a process is gone, or only its number is left.
async fn gone(process: Pid) {
    let is_dead = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
        stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
    };
    let began = Instant::now();
    while test_kill_process(process).is_ok() && !is_dead() {
        assert!(began.elapsed() < Duration::from_secs(5), "{process:?} lives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_thousand_who_ask_for_a_page_have_it_resolved_once() {
    let site = Site::start().await;
    let resolver = resolver(settings(&site));
    let asking = (0..1000).map(|_| {
        let resolver = resolver.clone();
        tokio::spawn(async move { resolver.ask(&page("good"), Need::Info).await })
    });
    for asking in asking.collect::<Vec<_>>() {
        let known = asking.await.unwrap().unwrap();
        assert_eq!(known.document.title.as_deref(), Some("A title"));
    }
    assert_eq!(site.asked(), 1);
    let known = resolver.ask(&page("good"), Need::Info).await.unwrap();
    let document = &known.document;
    assert_eq!((document.duration, document.view_count), (Some(60.5), Some(7)));
    let ids: Vec<_> = document.formats.iter().map(|format| format.id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["140", "18", "137"]);
    assert_eq!(document.formats[2].audio_codec, None);
    assert!(document.formats[1].opens_by_itself());
    // Whoever wants to know it anew has it asked for once more.
    resolver.outdate(&page("good"));
    resolver.ask(&page("good"), Need::Info).await.unwrap();
    assert_eq!(site.asked(), 2);
    assert!(resolver.versions().await.is_some_and(|(version, _)| version.starts_with("20")));
}

#[tokio::test]
async fn what_goes_wrong_has_a_class() {
    let table = [
        ("geo", Class::Geo),
        ("login", Class::LoginRequired),
        ("offline", Class::NotLive),
        ("begins", Class::NotLive),
        ("private", Class::Unavailable),
        ("away", Class::Unavailable),
        ("error", Class::Network),
        ("bug", Class::Broken),
        ("crash", Class::Crashed),
        ("balloon", Class::Crashed),
        ("long", Class::Crashed),
    ];
    let site = Site::start().await;
    let resolver = resolver(settings(&site));
    for (name, expected) in table {
        assert_eq!(class(&resolver, name).await, expected, "{name}");
    }
    // None of them has harmed the worker.
    let known = resolver.ask(&page("wide"), Need::Info).await.unwrap();
    assert_eq!(known.document.title.as_deref(), Some("A title"));
    // The platform refuses now, whatever the page.
    let unknown = resolver.ask(&page("limit"), Need::Info).await.unwrap_err();
    assert_eq!(unknown.failure.class, Class::RateLimited);
    assert_eq!(unknown.retry_after.as_secs() + 1, 77);
    assert_eq!(class(&resolver, "good").await, Class::RateLimited);
    let stale = resolver.ask(&page("wide"), Need::Info).await.unwrap();
    assert_eq!(stale.stale, None);
}

#[tokio::test]
async fn a_page_that_hangs_holds_up_no_other_and_leaves_nothing_behind() {
    let mut site = Site::start().await;
    let limits = Limits { running: 9, pace: Some(Duration::ZERO), ..Limits::default() };
    let timeout = Duration::from_secs(4);
    let resolver = resolver(Settings { timeout, limits, ..settings(&site) });
    // The worker reads its modules first.
    resolver.ask(&page("first"), Need::Info).await.unwrap();
    let hanging: Vec<_> = (0..8)
        .map(|number| {
            let resolver = resolver.clone();
            tokio::spawn(async move {
                let began = Instant::now();
                (class(&resolver, &format!("hang{number}")).await, began.elapsed())
            })
        })
        .collect();
    let mut all = Vec::new();
    for _ in 0..hanging.len() {
        all.extend(processes(&mut site).await);
    }
    let began = Instant::now();
    resolver.ask(&page("good"), Need::Info).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    for hanging in hanging {
        let (class, took) = hanging.await.unwrap();
        assert_eq!(class, Class::Timeout);
        // Half a second, on a machine with nothing else to do.
        assert!(took < timeout + Duration::from_secs(2), "{took:?}");
    }
    for process in all {
        gone(process).await;
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_takes_its_pages_with_it_and_another_goes_on() {
    let mut site = Site::start().await;
    let resolver = resolver(settings(&site));
    let hanging = {
        let resolver = resolver.clone();
        tokio::spawn(async move { class(&resolver, "hang").await })
    };
    let processes = processes(&mut site).await;
    let stat = fs::read_to_string(format!("/proc/{}/stat", processes[0].as_raw_nonzero())).unwrap();
    let parent = stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    kill_process(Pid::from_raw(parent).unwrap(), Signal::KILL).unwrap();
    assert_eq!(hanging.await.unwrap(), Class::Crashed);
    for process in processes {
        gone(process).await;
    }
    resolver.ask(&page("good"), Need::Info).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_nobody_needs_ends() {
    let site = Site::start().await;
    let resolver = resolver(Settings { idle_stop: Duration::from_millis(400), ..settings(&site) });
    resolver.ask(&page("good"), Need::Info).await.unwrap();
    assert!(resolver.versions().await.is_some());
    while resolver.versions().await.is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The answer stays, and another worker starts when one is needed.
    resolver.ask(&page("good"), Need::Info).await.unwrap();
    assert!(resolver.versions().await.is_none());
    resolver.ask(&page("other"), Need::Info).await.unwrap();
    assert!(resolver.versions().await.is_some());
}

#[tokio::test]
async fn a_worker_that_does_not_start_holds_up_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (python, command, started) = (path("python"), path("yt-dlp"), path("started"));
    for (file, text) in [
        (&python, format!("#!/bin/sh\n: > {}\nexec sleep 60\n", started.display())),
        (&command, format!("#!{}\n", python.display())),
    ] {
        fs::write(file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let resolver = Resolver::new(Settings { command: command.display().to_string(), ..Settings::default() });
    let (asking, running, stop) = (resolver.clone(), resolver.clone(), CancellationToken::new());
    let stopped = stop.clone();
    let running = tokio::spawn(async move { running.run(stopped).await });
    tokio::spawn(async move { asking.ask(&page("good"), Need::Info).await.is_ok() });
    while !started.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.cancel();
    // A start may take twenty.
    tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_page_leads_to_no_address_of_this_network() {
    let site = Site::start().await;
    let resolver = resolver(Settings { allow_private: false, ..settings(&site) });
    assert_eq!(class(&resolver, "good").await, Class::Unsupported);
    assert_eq!(site.asked(), 0);
}

#[tokio::test]
async fn a_missing_yt_dlp_is_said_with_what_installs_it() {
    let site = Site::start().await;
    let resolver = resolver(Settings { command: "no-such-yt-dlp".into(), ..settings(&site) });
    let failure = resolver.ask(&page("good"), Need::Info).await.unwrap_err().failure;
    assert_eq!(failure.class, Class::Missing);
    assert!(failure.message.contains("pipx install yt-dlp"), "{}", failure.message);
}

#[tokio::test]
async fn the_way_to_a_proxy_is_open_wherever_the_proxy_is() {
    let site = Site::start().await;
    let proxy = Proxy::start(site.address()).await;
    let address = format!("socks5h://joe:secret@localhost:{}", proxy.address().port());
    let proxy_of = Some(address.parse().unwrap());
    let resolver = resolver(Settings { allow_private: false, proxy: proxy_of, ..settings(&site) });
    resolver.ask(&page("good"), Need::Info).await.unwrap();
    let expected = format!("SOCKS5 {} joe:secret", site.address());
    assert_eq!(proxy.seen(), [expected]);
}

/// The worker has the same judgement in another language: a page must not get past either.
#[test]
fn the_worker_knows_which_addresses_are_public() {
    // Tunnels through the internet, which only the rest of the server follows.
    const TUNNELS: [&str; 3] =
        ["[2002:808:808::1]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[2001:4860::5efe:8.8.8.8]"];
    let literal = |host: &&str| match Url::parse(&format!("http://{host}/")).unwrap().host().unwrap() {
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
        Host::Domain(name) => panic!("{name} is a name"),
    };
    let public: Vec<&str> = PUBLIC.iter().copied().filter(|host| !TUNNELS.contains(host)).collect();
    let private = [NOT_PUBLIC, &TUNNELS].concat();
    let all: Vec<String> = public.iter().chain(&private).map(literal).collect();
    let expected = [vec![true; public.len()], vec![false; private.len()]].concat();
    let program = "import json, runpy, sys\n\
                   is_public = runpy.run_path(sys.argv[1])['is_public']\n\
                   print(json.dumps([is_public(host) for host in sys.argv[2:]]))";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/resolver/worker.py");
    let python = yt_dlp().with_file_name("python");
    let said = std::process::Command::new(python).args(["-c", program, path]).args(&all).output().unwrap();
    let said: Vec<bool> = serde_json::from_slice(&said.stdout).unwrap();
    let wrong: Vec<&String> =
        (0..all.len()).filter(|&at| said[at] != expected[at]).map(|at| &all[at]).collect();
    assert_eq!(wrong, Vec::<&String>::new());
}
