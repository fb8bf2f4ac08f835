//! Twenty channels, three providers with limits, three hundred viewers, and sources that come and
//! go: a minute of it, or `FOREBAY_CHAOS_SECONDS`. What happens follows from `FOREBAY_CHAOS_SEED`.

mod audit;
mod crowd;
mod dice;
mod world;

use std::env;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use forebay_testkit::client;
use futures_util::future::join_all;
use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::program::{Program, Setup};
use audit::{Audit, leases};
use crowd::Seen;
use dice::Dice;
use world::{PROVIDERS, World, id};

const SECOND: Duration = Duration::from_secs(1);

const VIEWERS: u64 = 300;

/// One viewer in so many watches by HLS.
const HLS_VIEWERS: u64 = 15;

/// How long it takes at most until all is closed.
const CLOSING: Duration = Duration::from_secs(20);

/// By how much more memory the relay may have at the end: what an allocator keeps.
const MEMORY: u64 = 32 << 20;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Waits until no channel is open.
async fn idle(relay: &Program) -> Value {
    let wait = async {
        loop {
            let (_, status) = client::get_json(relay.address(), "/api/streams/status").await;
            let is_free =
                |provider: &world::Provider| leases(&status, provider.id).is_none_or(|(open, _)| open == 0);
            if status["total_streams"] == 0 && PROVIDERS.iter().all(is_free) {
                return status;
            }
            // There is no event for it outside of the relay.
            sleep(SECOND / 10).await;
        }
    };
    timeout(CLOSING, wait).await.expect("all channels close when nobody watches")
}

/// What the relay has open, when what short answers take is gone.
async fn descriptors(relay: &Program, most: usize) -> Vec<String> {
    let wait = async {
        while relay.files().len() > most {
            sleep(SECOND / 10).await;
        }
    };
    let _ = timeout(5 * SECOND, wait).await;
    relay.files()
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_limits_hold_and_nobody_starves() {
    let (seed, seconds) = (number("FOREBAY_CHAOS_SEED", 1), number("FOREBAY_CHAOS_SECONDS", 60));
    println!("FOREBAY_CHAOS_SEED={seed} FOREBAY_CHAOS_SECONDS={seconds}");
    let world = World::new().await;
    let relay = Setup::new(&world.config()).env("FOREBAY_LOG", "debug").start().await;
    // What is made once, is made now.
    let address = relay.address();
    let all = (0..PROVIDERS.len())
        .map(|number| async move { client::Viewer::get(address, &format!("/stream/{}", id(number))).await });
    drop(join_all(all).await);
    // SQLite keeps the file of a connection that has ended until all have, and the next backup
    // takes it up again.
    let backup = client::Request::new("POST", address, "/api/backups");
    let made = backup.header("Authorization", &relay.admin_token()).send().await.expect("the relay answers");
    assert_eq!(made.status, 201, "{}", made.text());
    let before = idle(&relay).await;
    for account in &world.accounts {
        account.wait_open(0, CLOSING).await;
    }
    let descriptors_before = descriptors(&relay, 0).await;

    let (stop, over) = (CancellationToken::new(), CancellationToken::new());
    let viewers = (0..VIEWERS).map(|viewer| {
        let is_hls = viewer % HLS_VIEWERS == 0;
        tokio::spawn(crowd::watch(address, Dice::new(seed, viewer + 1), is_hls, stop.clone()))
    });
    let viewers: Vec<_> = viewers.collect();
    let (began, began_at) = (Instant::now(), Timestamp::now());
    let timer = async {
        sleep(SECOND * u32::try_from(seconds).expect("not that long")).await;
        stop.cancel();
        let told = join_all(viewers).await;
        let after = idle(&relay).await;
        over.cancel();
        (told, after)
    };
    let (mut audit, (), (told, after)) = tokio::join!(
        audit::sample(&relay, &world, over.clone()),
        world.happen(Dice::new(seed, 0), stop.clone()),
        timer
    );
    let told: Vec<Seen> = told.into_iter().map(|seen| seen.expect("a viewer does not panic")).collect();
    told.iter().flat_map(|seen| &seen.famines).for_each(|famine| audit.judge(famine));
    report(&audit, &told, &world);

    let mut faults = audit.faults;
    for (provider, account) in PROVIDERS.iter().zip(&world.accounts) {
        account.wait_open(0, CLOSING).await;
        let (violations, refused) = (account.violations(), account.refused());
        if violations + refused > 0 {
            faults.push(format!("{}: {violations} times over its limit, {refused} refused", provider.id));
        }
    }
    let descriptors_after = descriptors(&relay, descriptors_before.len()).await;
    if descriptors_after.len() != descriptors_before.len() {
        faults.push(format!("open before: {descriptors_before:?}, after: {descriptors_after:?}"));
    }
    let memory = |status: &Value| status["server"]["memory"]["process"].as_u64().expect("Linux tells");
    let (memory_before, memory_after) = (memory(&before), memory(&after));
    println!("memory: {} MiB before, {} MiB after", memory_before >> 20, memory_after >> 20);
    if memory_after > memory_before + MEMORY {
        faults.push(format!("memory has grown from {memory_before} to {memory_after}"));
    }
    if !faults.is_empty() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}.log"));
        std::fs::write(&path, relay.log()).expect("the target directory can be written");
        println!("the relay's log is {}; what happened, from {began_at} on:", path.display());
        for (at, what) in world.history.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            println!("{:.1?}: {what}", at.saturating_duration_since(began));
        }
    }
    assert!(faults.is_empty(), "seed {seed}: {faults:#?}");
    relay.signal(Signal::TERM);
    assert!(relay.wait().await.status.success());
    world.shutdown().await;
}

fn report(audit: &Audit, told: &[Seen], world: &World) {
    let sum = |of: fn(&Seen) -> usize| told.iter().map(of).sum::<usize>();
    let bytes: u64 = told.iter().map(|seen| seen.bytes).sum();
    println!(
        "{} visits, {} MB, {} times refused or ended, {} times nothing for 5 s",
        sum(|seen| seen.visits),
        bytes / 1_000_000,
        sum(|seen| seen.refusals),
        sum(|seen| seen.famines.len())
    );
    for (at, provider) in PROVIDERS.iter().enumerate() {
        let account = &world.accounts[at];
        println!(
            "{}: limit {}, most sockets {}, most leases {}, opened {}, counts apart for {:.1?} at most",
            provider.id,
            provider.limit,
            account.most(),
            audit.most[at],
            account.opened(),
            audit.apart[at]
        );
    }
}
