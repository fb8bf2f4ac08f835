//! Another configuration while channels are open.

use std::sync::{OnceLock, Weak};

use forebay_core::failover::SourceOverride;

use super::*;

#[tokio::test(start_paused = true)]
async fn new_settings_keep_the_viewers() {
    let plays: &[(&str, &[Play])] = &[("/a", &[endless()]), ("/b", &[endless()])];
    let house = House::new(&one(r#"["http://h/a"]"#), plays);
    let mut viewer = house.join();
    watch(&mut viewer, 2 * SECOND).await;
    assert_eq!(house.configure(&one(r#"["http://h/a"]"#)), Changes::default());
    // What is set differently and does not change what is asked for holds from the next opening on.
    let sources = "[{ url = \"http://h/a\", max_bitrate = \"5 Mbit/s\" }]\nslate_urls = [\"*/limit\"]";
    assert_eq!(house.configure(&one(sources)).changed, 1);
    // The source on hand is still listed: nothing is opened.
    assert_eq!(house.configure(&one(r#"["http://h/b", "http://h/a"]"#)).changed, 1);
    watch(&mut viewer, 2 * SECOND).await;
    assert_eq!(house.script.opened(), ["/a"]);
    // It is not: the next is.
    house.configure(&one(r#"["http://h/b"]"#));
    assert!(watch(&mut viewer, 3 * SECOND).await > 0);
    assert_eq!(house.script.opened(), ["/a", "/b"]);
    // The channel is gone: so is the stream.
    assert_eq!(house.configure(&config("")).removed, 1);
    watch(&mut viewer, SECOND).await;
    assert_eq!(viewer.next().await.unwrap(), None);
    assert_eq!((house.script.open_now(), house.phase()), (0, None));
}

/// Two sources with pictures, `/a` and `/b`.
fn house(sources: &str) -> House {
    House::new(&one(sources), &[("/a", &[endless()]), ("/b", &[endless()]), ("/c", &[endless()])])
}

/// The source on hand: its place and its address.
fn on_hand(house: &House) -> (usize, String) {
    let report = house.channels.report("one").unwrap();
    let place = report.position(report.source).unwrap();
    (place, report.sources[place].url.clone())
}

#[tokio::test(start_paused = true)]
async fn the_source_on_air_plays_on_wherever_it_stands() {
    let house = house(r#"["http://h/a", "http://h/b"]"#);
    let mut viewer = house.join();
    watch(&mut viewer, 2 * SECOND).await;
    for (sources, place) in [
        (r#"["http://h/b", "http://h/a"]"#, 1),
        (r#"["http://h/c", "http://h/b", "http://h/a"]"#, 2),
        (r#"["http://h/a", "http://h/a"]"#, 0),
    ] {
        house.configure(&one(sources));
        watch(&mut viewer, 2 * SECOND).await;
        assert_eq!(on_hand(&house), (place, "http://h/a".to_owned()), "{sources}");
    }
    assert_eq!(house.script.opened(), ["/a"]);
    assert_eq!(house.channels.report("one").unwrap().switches_total, 0);
}

#[tokio::test(start_paused = true)]
async fn the_source_that_was_left_has_no_place_once_it_is_gone() {
    let house = house(r#"["http://h/a", "http://h/b"]"#);
    let mut events = house.channels.events().subscribe();
    let mut viewer = house.join();
    watch(&mut viewer, 2 * SECOND).await;
    let a = house.found().channel.sources[0].id;
    house.configure(&one(r#"["http://h/b", "http://h/c"]"#));
    watch(&mut viewer, 3 * SECOND).await;
    let b = house.found().channel.sources[0].id;
    let report = house.channels.report("one").unwrap();
    let [switch] = &report.switches[..] else { panic!("{report:?}") };
    assert_eq!((switch.from, switch.to, switch.reason), (a, b, SwitchReason::Removed));
    assert_eq!((report.position(switch.from), report.position(switch.to)), (None, Some(0)));
    let switched =
        |event: &Event| matches!(event, Event::StreamSwitched { from, to, .. } if (*from, *to) == (a, b));
    while !switched(&events.next().await.unwrap()) {}
}

#[tokio::test(start_paused = true)]
async fn an_override_is_about_the_same_source_after_a_reload() {
    let house = house(r#"["http://h/a", "http://h/b"]"#);
    let channel = house.found().channel;
    let b = channel.sources[1].id;
    // Of a channel that is closed.
    house.channels.override_source(&channel, SourceOverride::Pin(b)).await.unwrap();
    house.configure(&one(r#"["http://h/c", "http://h/a", "http://h/b"]"#));
    let mut viewer = house.join();
    watch(&mut viewer, 2 * SECOND).await;
    assert_eq!(on_hand(&house), (2, "http://h/b".to_owned()));
    // Of one that is open.
    house.configure(&one(r#"["http://h/b", "http://h/a"]"#));
    watch(&mut viewer, 2 * SECOND).await;
    let pinned = |house: &House| -> Vec<bool> {
        let report = house.channels.report("one").unwrap();
        report.sources.iter().map(|source| source.health.unwrap().is_pinned).collect()
    };
    assert_eq!(pinned(&house), [true, false]);
    // It is gone: the channel changes to what is left, and forgets the override.
    house.configure(&one(r#"["http://h/a"]"#));
    watch(&mut viewer, 3 * SECOND).await;
    house.configure(&one(r#"["http://h/a", "http://h/b"]"#));
    watch(&mut viewer, 3 * SECOND).await;
    assert_eq!((on_hand(&house), pinned(&house)), ((0, "http://h/a".to_owned()), vec![false, false]));
    assert_eq!(house.script.opened(), ["/b", "/a"]);
}

/// A list that is exchanged for an empty one in the moment in which it is asked for a channel.
#[derive(Debug)]
struct Exchanged {
    list: Arc<List>,
    channels: OnceLock<Weak<Channels>>,
}

impl Lookup for Exchanged {
    fn find(&self, id: &str) -> Result<Option<Arc<Channel>>, Unreadable> {
        let found = self.list.channel(id);
        if let Some(channels) = self.channels.get().and_then(Weak::upgrade) {
            channels.apply(&config("").lookup().since(&self.list));
        }
        Ok(found)
    }
}

#[tokio::test(start_paused = true)]
async fn who_joins_while_lists_are_exchanged_gets_what_the_new_one_has() {
    let fixture = one(r#"["http://h/a"]"#);
    let list = Arc::new(Exchanged { list: fixture.lookup(), channels: OnceLock::new() });
    let lookup = Arc::clone(&list) as Arc<dyn Lookup>;
    let channels =
        Channels::new(Arc::clone(&lookup), &[], fixture.hls_dir(), Script::new(&[]), Handle::current());
    let found = ListedChannel::new(list.list.channel("one").unwrap(), channels.revision());
    // It is looked up again, since there is another list, and while that is asked comes a third.
    let same = Difference { lookup, ..list.list.since(&list.list) };
    channels.apply(&same);
    list.channels.set(Arc::downgrade(&channels)).unwrap();
    let served = ViewersByChannel::new();
    let joined = channels.subscribe(&found, 0, &AdmissionLimits { max_bandwidth: None, served: &served });
    assert_eq!(joined.err(), Some(Refusal::Closing), "the channel was found, and is gone");
    assert!(!channels.is_open(&found.channel.id));
}

/// A list that cannot be read.
#[derive(Debug)]
struct Broken;

impl Lookup for Broken {
    fn find(&self, _: &str) -> Result<Option<Arc<Channel>>, Unreadable> {
        Err(Unreadable)
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_read_ends_nobody() {
    let house = house(r#"["http://h/a"]"#);
    let (mut viewer, found) = (house.join(), house.found());
    watch(&mut viewer, 2 * SECOND).await;
    let ids = HashSet::from([found.channel.id.clone()]);
    house.channels.apply(&Difference {
        lookup: Arc::new(Broken),
        added: HashSet::new(),
        changed: ids.clone(),
        removed: ids,
        is_incomplete: true,
    });
    assert!(watch(&mut viewer, 2 * SECOND).await > 0, "it goes on as it was");
    let admission = AdmissionLimits { max_bandwidth: None, served: &ViewersByChannel::new() };
    assert_eq!(house.channels.subscribe(&found, 0, &admission).err(), Some(Refusal::Unreadable));
}

#[tokio::test(start_paused = true)]
async fn an_open_ended_difference_concerns_every_open_channel() {
    let house = house(r#"["http://h/a"]"#);
    let mut viewer = house.join();
    watch(&mut viewer, 2 * SECOND).await;
    let new = one(r#"["http://h/b"]"#).lookup();
    let nothing = Difference { is_incomplete: true, ..new.since(&new) };
    house.channels.apply(&nothing);
    watch(&mut viewer, 3 * SECOND).await;
    assert_eq!(house.script.opened(), ["/a", "/b"]);
    assert_eq!(house.channels.report("one").unwrap().channel, new.channel("one"));
}
