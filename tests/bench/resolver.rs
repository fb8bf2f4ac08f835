//! How fast pages are resolved by the real yt-dlp, at a platform on this machine, and what that
//! takes.
//!
//! `cargo bench --bench resolver`

#![allow(clippy::print_stdout, reason = "measured numbers are told")]

use std::fs;
use std::time::{Duration, Instant};

use forebay::config;
use forebay::resolver::Resolver;
use forebay_core::resolve::{Limits, Need, Page, Platform};
use forebay_testkit::platform::{Platform as Site, yt_dlp};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

/// Pages one after the other.
const ALONE: u32 = 60;

/// Pages in all where several are resolved at a time.
const TOGETHER: u32 = 300;

/// At a time.
const AT_A_TIME: usize = 8;

/// Answers that are known.
const KNOWN: u32 = 200_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let site = Site::start().await;
    // What the platform would bear is not measured.
    let limits = Limits { running: AT_A_TIME, pace: Some(Duration::ZERO), ..Limits::default() };
    let settings = config::Resolver {
        command: yt_dlp().display().to_string(),
        plugin_dirs: vec![site.plugins().to_owned()],
        allow_private: true,
        limits,
        ..config::Resolver::default()
    };
    let resolver = Resolver::new(settings);
    let running = resolver.clone();
    tokio::spawn(async move { running.run(CancellationToken::new()).await });
    let page = |number: u32| Page::new(Platform::YouTube, &format!("{number:011}")).expect("an id");
    let resolve = async |number: u32| {
        let began = Instant::now();
        resolver.ask(&page(number), Need::Addresses).await.expect("it is resolved");
        began.elapsed()
    };
    // The worker reads its modules first.
    let start = resolve(0).await;
    let mut times = Vec::new();
    for number in 1..=ALONE {
        times.push(resolve(number).await);
    }
    times.sort_unstable();
    println!("start of the worker with its first page: {start:?}");
    println!(
        "one after the other: p50 {:?}, p95 {:?}",
        times[times.len() / 2],
        times[times.len() * 95 / 100]
    );
    let before = children();
    let began = Instant::now();
    let lanes = (0..TOGETHER).take(AT_A_TIME).map(async |lane| {
        for number in (lane..TOGETHER).step_by(AT_A_TIME) {
            resolve(1000 + number).await;
        }
    });
    join_all(lanes).await;
    let rate = f64::from(TOGETHER) / began.elapsed().as_secs_f64();
    println!("{AT_A_TIME} at a time: {rate:.0} pages/s");
    println!("worker: {} MiB resident, {} MiB after {TOGETHER} pages", before >> 20, children() >> 20);
    let began = Instant::now();
    for number in 0..KNOWN {
        resolver.ask(&page(1000 + number % TOGETHER), Need::Info).await.expect("it is known");
    }
    println!("known: {:?} each", began.elapsed() / KNOWN);
}

/// Resident memory of the processes that this one has started, in bytes.
fn children() -> u64 {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let resident = processes.filter_map(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let is_child = stat.rsplit(") ").next()?.split(' ').nth(1)? == own;
        let pages = fs::read_to_string(entry.path().join("statm")).ok()?;
        let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
        is_child.then_some(pages * 4096)
    });
    resident.sum()
}
