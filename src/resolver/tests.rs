//! The real yt-dlp, with an extractor that asks a site of the test.

use std::fs;

use forebay_core::resolve::{Limits, Platform};
use forebay_testkit::platform::{Platform as Site, yt_dlp};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

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
    let resolver = resolver(Settings { timeout: Duration::from_secs(3), ..settings(&site) });
    // The worker reads its modules first.
    resolver.ask(&page("first"), Need::Info).await.unwrap();
    let hanging = {
        let resolver = resolver.clone();
        tokio::spawn(async move { class(&resolver, "hang").await })
    };
    let processes = processes(&mut site).await;
    let began = Instant::now();
    resolver.ask(&page("good"), Need::Info).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(hanging.await.unwrap(), Class::Timeout);
    for process in processes {
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
    // What is known stays, and another is started where it is needed.
    resolver.ask(&page("good"), Need::Info).await.unwrap();
    assert!(resolver.versions().await.is_none());
    resolver.ask(&page("other"), Need::Info).await.unwrap();
    assert!(resolver.versions().await.is_some());
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
