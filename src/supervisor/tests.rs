//! Services that fail on purpose, on a paused clock.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;

/// What happened, in order.
#[derive(Debug, Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }

    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Setup {
    supervisor: Supervisor,
    diary: Diary,
    bus: Bus,
    board: Board,
    stop: CancellationToken,
}

impl Setup {
    fn new() -> Self {
        let (bus, board) = (Bus::new(), Board::default());
        let supervisor = Supervisor::new(bus.clone(), board.clone());
        Self { supervisor, diary: Diary::default(), bus, board, stop: CancellationToken::new() }
    }

    /// A service that ends `lasts` after it was stopped.
    fn start_good(&mut self, name: &'static str, lasts: Duration) {
        let diary = self.diary.clone();
        self.supervisor.start(Service::vital(name, move |stop| async move {
            stop.cancelled().await;
            diary.note(&format!("{name} is stopped"));
            sleep(lasts).await;
            diary.note(&format!("{name} has ended"));
        }));
    }

    fn run(self) -> AbortOnDropHandle<Result<End, Failure>> {
        let grace = || Duration::from_secs(10);
        AbortOnDropHandle::new(tokio::spawn(self.supervisor.run(self.stop, grace)))
    }
}

#[tokio::test(start_paused = true)]
async fn services_are_stopped_in_the_reverse_order_each_after_the_end_of_the_last() {
    let mut setup = Setup::new();
    for name in ["first", "second", "third"] {
        setup.start_good(name, Duration::from_secs(1));
    }
    let (stop, diary) = (setup.stop.clone(), setup.diary.clone());
    let running = setup.run();
    stop.cancel();
    assert_eq!(running.await.unwrap().unwrap(), End::InTime);
    let expected = ["third is stopped", "third has ended", "second is stopped", "second has ended"];
    assert_eq!(diary.read(), [&expected[..], &["first is stopped", "first has ended"]].concat());
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_abandoned_after_the_grace_period_and_the_others_are_stopped() {
    let mut setup = Setup::new();
    setup.start_good("first", Duration::ZERO);
    setup.supervisor.start(Service::vital("hanging", |_| pending()));
    let (stop, first) = (setup.stop.clone(), setup.supervisor.running[0].stop.clone());
    let running = setup.run();
    let started = Instant::now();
    stop.cancel();
    assert_eq!(running.await.unwrap().unwrap(), End::Late);
    assert_eq!(started.elapsed(), Duration::from_secs(10));
    assert!(first.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_restarted_service_waits_longer_after_each_failure_until_it_has_recovered() {
    let mut setup = Setup::new();
    let mut events = setup.bus.subscribe();
    let starts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&starts);
    setup.supervisor.start(Service::restarted("odd", move |stop| {
        let start = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            match start {
                0 => panic!("number {start}"),
                1 => anyhow::bail!("the disk is gone"),
                2..8 => {}
                8 => sleep(RECOVERED_AFTER).await,
                _ => stop.cancelled().await,
            }
            Ok(())
        }
    }));
    let (stop, board) = (setup.stop.clone(), setup.board.clone());
    let running = setup.run();
    for pause in [1, 2, 4, 8, 16, 32, 60, 60, 1] {
        let pause = Some(Duration::from_secs(pause));
        let failed = Event::ServiceFailed { service: "odd", restarts_in: pause };
        assert_eq!(events.next().await, Some(failed));
        assert_eq!(board.read()["odd"], Health::Restarting);
    }
    sleep(Duration::from_secs(2)).await;
    assert_eq!((starts.load(Ordering::Relaxed), board.read()["odd"]), (10, Health::Healthy));
    stop.cancel();
    assert_eq!(running.await.unwrap().unwrap(), End::InTime);
}

#[tokio::test(start_paused = true)]
async fn a_vital_service_that_fails_ends_the_program_and_says_why() {
    for (fails, text) in [(true, "it panicked: out of luck"), (false, "it ended, and nobody had stopped it")]
    {
        let mut setup = Setup::new();
        let mut events = setup.bus.subscribe();
        setup.start_good("first", Duration::ZERO);
        setup.supervisor.start(Service::vital("weak", move |_| async move {
            assert!(!fails, "out of luck");
        }));
        let (diary, board) = (setup.diary.clone(), setup.board.clone());
        let failure = setup.run().await.unwrap().unwrap_err();
        assert_eq!(failure.to_string(), format!("the service \"weak\" failed: {text}"));
        assert_eq!(events.next().await, Some(Event::ServiceFailed { service: "weak", restarts_in: None }));
        assert_eq!(board.read()["weak"], Health::Failed);
        assert_eq!(diary.read(), ["first is stopped", "first has ended"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_waits_for_its_restart_is_stopped_at_once() {
    let mut setup = Setup::new();
    let mut events = setup.bus.subscribe();
    setup.supervisor.start(Service::restarted("odd", |_| async { Ok(()) }));
    let stop = setup.stop.clone();
    let running = setup.run();
    events.next().await;
    let failed = Instant::now();
    stop.cancel();
    assert_eq!(running.await.unwrap().unwrap(), End::InTime);
    assert_eq!(failed.elapsed(), Duration::ZERO);
}
