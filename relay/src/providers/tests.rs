//! Claims and leases on a paused clock, without a socket.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, timeout};

use super::*;
use crate::fixture::Fixture;

fn config(providers: &[(&str, u32, &str)]) -> Fixture {
    let mut text = String::new();
    for (id, limit, more) in providers {
        writeln!(text, "[[providers]]\nid = '{id}'\nmax_connections = {limit}\n{more}").unwrap();
    }
    Fixture::parse(&text)
}

fn providers(limit: u32, more: &str) -> Providers {
    Providers::new(&config(&[("acme", limit, more)]).providers)
}

fn acme() -> ProviderId {
    "acme".parse().unwrap()
}

fn claim(channel: &str, priority: i32, purpose: Purpose) -> Claim {
    Claim { channel: channel.parse().unwrap(), priority, purpose }
}

async fn ask(providers: &Providers, channel: &str, purpose: Purpose) -> Result<Lease, NoConnection> {
    providers.claim(Some(&acme()), claim(channel, 0, purpose)).await
}

fn usage(providers: &Providers) -> Usage {
    providers.report()[0].usage
}

/// Lets a future begin, and gives it back.
fn begin<F: Future + Unpin>(mut future: F) -> F {
    assert!((&mut future).now_or_never().is_none(), "it is not to be ready");
    future
}

#[tokio::test(start_paused = true)]
async fn without_a_provider_there_is_no_limit() {
    let providers = providers(1, "");
    let mut leases = Vec::new();
    for _ in 0..5 {
        leases.push(providers.claim(None, claim("a", 0, Purpose::Probe)).now_or_never().unwrap().unwrap());
    }
    let handle = leases[0].handle();
    handle.set_demand(Demand::Lingering);
    assert!(handle.yielded().now_or_never().is_none());
    assert_eq!(usage(&providers), Usage { limit: 1, ..Usage::default() });
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_connection_is_refused_after_a_second_and_told_why() {
    let providers = providers(2, "max_probes = 0");
    let leases = [ask(&providers, "a", Purpose::Active).await, ask(&providers, "b", Purpose::Active).await];
    let began = Instant::now();
    let refused = ask(&providers, "c", Purpose::Active).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    assert_eq!(refused.to_string(), "all 2 connections of provider \"acme\" are taken");
    for (purpose, message) in [
        (Purpose::Hedge, "all 2 connections of provider \"acme\" are taken"),
        (Purpose::Probe, "provider \"acme\" is probed by as many connections as may be"),
    ] {
        let refused = ask(&providers, "c", purpose).now_or_never().unwrap().unwrap_err();
        assert_eq!(refused.to_string(), message);
    }
    assert!(leases.iter().all(Result::is_ok));
    let one = NoConnection::AllTaken { provider: acme(), limit: 1 };
    assert_eq!(one.to_string(), "the only connection of provider \"acme\" is taken");
}

#[tokio::test(start_paused = true)]
async fn a_zap_on_an_account_with_one_connection_closes_the_old_one_first() {
    let providers = providers(1, "settle = '500ms'");
    let old = ask(&providers, "a", Purpose::Active).await.unwrap();
    let handle = old.handle();
    handle.set_demand(Demand::Lingering);
    assert!(handle.yielded().now_or_never().is_none(), "nobody wants it");
    let began = Instant::now();
    let holder = async {
        handle.yielded().await;
        sleep(Duration::from_millis(30)).await;
        drop(old);
    };
    let (new, ()) = tokio::join!(ask(&providers, "b", Purpose::Active), holder);
    assert_eq!(began.elapsed(), Duration::from_millis(530));
    new.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hedge_on_air_stays() {
    let providers = providers(1, "");
    let hedge = ask(&providers, "a", Purpose::Hedge).await.unwrap();
    hedge.handle().set_purpose(Purpose::Active);
    ask(&providers, "b", Purpose::Active).await.unwrap_err();
    assert!(hedge.handle().yielded().now_or_never().is_none());
    hedge.handle().set_priority(-1);
    ask(&providers, "b", Purpose::Active).await.unwrap_err();
    hedge.handle().yielded().now_or_never().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_dropped_is_withdrawn() {
    let providers = providers(1, "settle = '10s'");
    let first = ask(&providers, "a", Purpose::Active).await.unwrap();
    let dropped = begin(Box::pin(ask(&providers, "b", Purpose::Active)));
    let waiting = begin(Box::pin(ask(&providers, "c", Purpose::Active)));
    assert_eq!(usage(&providers).waiting, 2);
    drop(dropped);
    assert_eq!(usage(&providers).waiting, 1);
    // One that has been granted, and of which nobody has heard yet, gives its connection back at
    // once: there is nothing to settle.
    drop(first);
    advance(Duration::from_secs(10)).await;
    let also = begin(Box::pin(ask(&providers, "d", Purpose::Active)));
    assert_eq!((usage(&providers).open, usage(&providers).waiting), (1, 1));
    drop(waiting);
    also.now_or_never().unwrap().unwrap();
    assert_eq!(usage(&providers), Usage { limit: 1, settling: 1, granted_total: 3, ..Usage::default() });
    assert!(providers.0.accounts.lock().unwrap()[&acme()].state().holders.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_applies_at_once_and_takes_nothing_away() {
    let providers = providers(1, "");
    let lease = ask(&providers, "a", Purpose::Active).await.unwrap();
    let waiting = begin(Box::pin(ask(&providers, "b", Purpose::Active)));
    providers.configure(&config(&[("acme", 2, ""), ("other", 1, "")]).providers);
    let second = waiting.now_or_never().unwrap().unwrap();
    let ids: Vec<_> = providers.report().into_iter().map(|report| report.id.to_string()).collect();
    assert_eq!(ids, ["acme", "other"]);

    let waiting = begin(Box::pin(ask(&providers, "c", Purpose::Active)));
    providers.configure(&config(&[]).providers);
    let removed = NoConnection::Removed { provider: acme() };
    assert_eq!(removed.to_string(), "provider \"acme\" is no longer configured");
    assert_eq!(waiting.now_or_never().unwrap().unwrap_err(), removed);
    assert_eq!(ask(&providers, "c", Purpose::Active).await.unwrap_err(), removed);
    assert_eq!((providers.report().len(), usage(&providers).open), (1, 2), "what is open is not forgotten");
    assert!([&lease, &second].iter().all(|lease| lease.handle().yielded().now_or_never().is_none()));

    providers.configure(&config(&[("acme", 1, "")]).providers);
    assert_eq!((usage(&providers).limit, usage(&providers).open), (1, 2));
    drop((lease, second));
    providers.configure(&config(&[]).providers);
    assert_eq!(providers.report(), []);
    assert_eq!(ask(&providers, "c", Purpose::Active).await.unwrap_err(), removed);
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_outlives_its_lease_does_nothing() {
    let providers = providers(1, "");
    let old = ask(&providers, "a", Purpose::Active).await.unwrap();
    let handle = old.handle();
    drop(old);
    let new = ask(&providers, "b", Purpose::Active).await.unwrap();
    let changed = providers.changed();
    handle.set_demand(Demand::Lingering);
    assert!(!changed.has_changed().unwrap());
    ask(&providers, "c", Purpose::Active).await.unwrap_err();
    assert!(new.handle().yielded().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_learns_when_to_ask_again() {
    let providers = providers(1, "");
    let lease = ask(&providers, "a", Purpose::Active).await.unwrap();
    let mut changed = providers.changed();
    // Whether somebody would be served, and would have been told so.
    let mut is_told = || {
        let has_changed = changed.has_changed().unwrap();
        changed.mark_unchanged();
        let would_serve = providers.would_serve(&acme(), &claim("b", 0, Purpose::Active));
        assert!(has_changed || !would_serve, "nobody hears of it");
        would_serve
    };
    ask(&providers, "b", Purpose::Active).await.unwrap_err();
    ask(&providers, "b", Purpose::Hedge).await.unwrap_err();
    assert!(!is_told());
    lease.handle().set_demand(Demand::Lingering);
    assert!(is_told(), "it would yield");
    let waiting = begin(Box::pin(ask(&providers, "c", Purpose::Active)));
    drop(lease);
    assert!(!is_told(), "who waits gets it");
    drop(waiting.now_or_never().unwrap().unwrap());
    assert!(is_told());
    let lease = ask(&providers, "a", Purpose::Active).await.unwrap();
    let waiting = begin(Box::pin(ask(&providers, "c", Purpose::Active)));
    lease.handle().set_demand(Demand::Lingering);
    assert!(!is_told(), "who waits comes first");
    drop(waiting);
    assert!(is_told(), "who waited does so no longer");
    drop(lease);
    let lease = ask(&providers, "a", Purpose::Active).await.unwrap();
    assert!(!is_told());
    providers.configure(&config(&[("acme", 2, "")]).providers);
    assert!(is_told());
    lease.handle().set_demand(Demand::Watched);
    assert!(!changed.has_changed().unwrap(), "nothing has changed by that");
}

/// Forty channels that come and go, on two accounts of three connections: nobody is forgotten, and
/// no account has a fourth.
#[tokio::test(start_paused = true)]
async fn many_channels_share_few_connections() {
    const LIMIT: usize = 3;
    let limit = u32::try_from(LIMIT).unwrap();
    let providers = Providers::new(
        &config(&[("acme", limit, "settle = '20ms'"), ("other", limit, "max_probes = 2")]).providers,
    );
    let open: [Arc<AtomicUsize>; 2] = Default::default();
    let mut tasks = JoinSet::new();
    for channel in 0..40_u64 {
        let (providers, open) = (providers.clone(), open.clone());
        tasks.spawn(async move {
            let mut seed = channel.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut random = |below: u64| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed % below
            };
            let mut granted = 0;
            for _ in 0..50 {
                let account = usize::try_from(random(2)).unwrap();
                let provider = ["acme", "other"][account].parse().unwrap();
                let purpose = [Purpose::Active, Purpose::Active, Purpose::Hedge, Purpose::Probe]
                    [usize::try_from(random(4)).unwrap()];
                let priority = i32::try_from(random(3)).unwrap();
                let claim = claim(&format!("ch{channel}"), priority, purpose);
                // Some lose patience before the provider does.
                let patience = Duration::from_millis(1 + random(4000));
                let Ok(Ok(lease)) = timeout(patience, providers.claim(Some(&provider), claim)).await else {
                    sleep(Duration::from_millis(random(50))).await;
                    continue;
                };
                granted += 1;
                assert!(open[account].fetch_add(1, Ordering::Relaxed) < LIMIT);
                let handle = lease.handle();
                let _ = timeout(Duration::from_millis(random(300)), handle.yielded()).await;
                handle.set_demand(Demand::Lingering);
                let _ = timeout(Duration::from_millis(random(300)), handle.yielded()).await;
                sleep(Duration::from_millis(random(20))).await;
                open[account].fetch_sub(1, Ordering::Relaxed);
                drop(lease);
            }
            granted
        });
    }
    let granted: Vec<u64> = tasks.join_all().await;
    assert!(granted.iter().all(|&granted| granted > 5), "{granted:?}");
    for report in providers.report() {
        let Usage { open, yielding, waiting, preempted_total, .. } = report.usage;
        assert_eq!((open, yielding, waiting), (0, 0, 0), "{report:?}");
        assert!(preempted_total > 0, "{report:?}");
        assert!(providers.0.accounts.lock().unwrap()[&report.id].state().holders.is_empty());
    }
    // And all of it is free again.
    sleep(Duration::from_millis(20)).await;
    let all = join_all((0..LIMIT).map(|_| ask(&providers, "a", Purpose::Hedge))).await;
    assert!(all.iter().all(Result::is_ok));
}
