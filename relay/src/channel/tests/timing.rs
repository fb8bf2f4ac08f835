//! Sources whose media does not come as it plays: in lumps, too fast, late.

use forebay_testkit::ts::{PACKET_SIZE, Packet};

use super::*;

/// When the picture at this time of the media comes, in milliseconds.
pub(super) type Comes = fn(u64) -> u64;

/// So much media, each picture when `comes` says.
pub(super) fn timed(
    span: Duration,
    comes: Comes,
    open: Arc<()>,
) -> stream::BoxStream<'static, Result<Piece, Error>> {
    let begun = Instant::now();
    let mut muxed = muxed(u64::MAX);
    stream::iter(0..count(span))
        .map(move |n| (n, muxed(n)))
        .then(move |(n, bytes)| async move {
            tokio::time::sleep_until(begun + Duration::from_millis(comes(n * 40))).await;
            Ok(Piece::Bytes(bytes))
        })
        .chain(stream::once(std::future::ready(Err(Error::Ended))))
        .inspect(move |_| debug_assert!(Arc::strong_count(&open) > 1))
        .boxed()
}

/// Null packets twice a second for so long, and then `pictures`.
pub(super) fn warm_up(
    span: Duration,
    pictures: stream::BoxStream<'static, Result<Piece, Error>>,
) -> stream::BoxStream<'static, Result<Piece, Error>> {
    stream::iter(0..span.as_millis() / 500)
        .then(|_| async {
            sleep(Duration::from_millis(500)).await;
            Ok(Piece::Bytes(Muxer::null().into()))
        })
        .chain(pictures)
        .boxed()
}

/// What a viewer got, and when.
#[derive(Default)]
struct Seen {
    /// When which number of pictures came.
    arrivals: Vec<(Instant, usize)>,
}

impl Seen {
    /// Watches until then.
    async fn watch(&mut self, viewer: &mut Subscription, until: Instant) {
        while let Ok(piece) = tokio::time::timeout_at(until, viewer.next()).await {
            let bytes = piece.unwrap().expect("the channel goes on");
            let is_picture = |bytes: &[u8]| {
                Packet::new(bytes).is_some_and(|packet| packet.pid() == 0x100 && packet.starts_unit())
            };
            let pictures = bytes.chunks(PACKET_SIZE).filter(|bytes| is_picture(bytes)).count();
            if pictures > 0 {
                self.arrivals.push((Instant::now(), pictures));
            }
        }
    }

    /// The media that came until then, in milliseconds.
    fn media(&self, until: Instant) -> u64 {
        let pictures = self.arrivals.iter().filter(|(at, _)| *at <= until).map(|(_, pictures)| pictures);
        pictures.sum::<usize>() as u64 * 40
    }

    /// The longest time without a picture, from then on.
    fn gap(&self, from: Instant) -> Duration {
        let times: Vec<Instant> = self.arrivals.iter().map(|(at, _)| *at).filter(|&at| at >= from).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// The longest time for which a player that began with the first picture had nothing to play.
    fn starvation(&self) -> Duration {
        let Some(&(begun, _)) = self.arrivals.first() else { return Duration::MAX };
        let (mut plays_until, mut longest) = (begun, Duration::ZERO);
        for &(at, pictures) in &self.arrivals {
            longest = longest.max(at.saturating_duration_since(plays_until));
            plays_until = plays_until.max(at) + Duration::from_millis(pictures as u64 * 40);
        }
        longest
    }
}

fn timed_channel(comes: Comes) -> House {
    House::new(
        &one(r#"["http://h/a"]"#),
        &[("/a", &[Play::Timed { span: 3600 * SECOND, comes, has_length: false }])],
    )
}

#[tokio::test(start_paused = true)]
async fn lumps_are_one_stream_that_goes_on_evenly() {
    let lumps: [(u64, Comes); 5] = [
        (2, |media| media / 2_000 * 2_000),
        (3, |media| media / 3_000 * 3_000),
        (4, |media| media / 4_000 * 4_000),
        (6, |media| media / 6_000 * 6_000),
        (10, |media| media / 10_000 * 10_000),
    ];
    for (length, comes) in lumps {
        let house = timed_channel(comes);
        let begun = Instant::now();
        let (mut viewer, mut seen) = (house.join(), Seen::default());
        let until = begun + Duration::from_secs(6 * length);
        seen.watch(&mut viewer, until).await;
        let report = house.channels.report("one").unwrap();
        assert_eq!(
            (house.script.opened().len(), report.faults.iter().sum::<u64>(), report.output.splices),
            (1, 0, 0),
            "{length} s"
        );
        assert!(seen.starvation() < Duration::from_millis(500), "{length} s: {:?}", seen.starvation());
        let gap = seen.gap(begun + Duration::from_secs(length));
        assert!(gap <= Duration::from_millis(100), "{length} s: a gap of {gap:?}");
        // No later than the lump that it came in has been played.
        let missing = 6 * length * 1_000 - seen.media(until);
        assert!(missing <= 600, "{length} s: {missing} ms are behind");
    }
}

#[tokio::test(start_paused = true)]
async fn lumps_that_come_late_starve_nobody_longer_than_players_that_open_the_source_themselves() {
    let cases: [Comes; 3] = [
        // Late by up to 0.8 s, each by as much as chance has it.
        |media| media / 4_000 * 4_000 + media / 4_000 * 7_919 % 9 * 100,
        // One is late by 2 s.
        |media| media / 4_000 * 4_000 + if media / 4_000 == 5 { 2_000 } else { 0 },
        // Each takes half of its time to come.
        |media| media / 6_000 * 6_000 + media % 6_000 / 2,
    ];
    for (case, comes) in cases.into_iter().enumerate() {
        let house = timed_channel(comes);
        let begun = Instant::now();
        let (mut viewer, mut seen) = (house.join(), Seen::default());
        seen.watch(&mut viewer, begun + 100 * SECOND).await;
        let arrivals = (0..2_500).map(|n| (begun + Duration::from_millis(comes(n * 40)), 1)).collect();
        let direct = Seen { arrivals };
        let (starved, directly) = (seen.starvation(), direct.starvation());
        assert!(starved <= directly + 100 * MILLISECOND, "{case}: {starved:?}, and {directly:?} directly");
        let gap = seen.gap(begun + 60 * SECOND);
        assert!(gap <= 500 * MILLISECOND, "{case}: a gap of {gap:?}");
        assert_eq!(house.script.opened().len(), 1);
        // What one was late by is made up for.
        let missing = 100_000 - seen.media(begun + 100 * SECOND);
        assert!(missing <= 2_000, "{case}: {missing} ms are behind");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_in_a_lull_has_something_to_play_until_the_next_lump() {
    for lump in [0, 4] {
        for into in [100, 2_500, 5_500] {
            let house = timed_channel(|media| media / 6_000 * 6_000);
            let begun = Instant::now();
            let (mut first, mut seen) = (house.join(), Seen::default());
            seen.watch(&mut first, begun + Duration::from_millis(lump * 6_000 + into)).await;
            let joined = Instant::now();
            let (mut late, mut seen) = (house.join(), Seen::default());
            seen.watch(&mut late, joined + 15 * SECOND).await;
            let at_once = seen.media(joined + Duration::from_millis(100));
            assert!(at_once >= 1_500.min(lump * 6_000 + into), "{lump}, {into}: only {at_once} ms at once");
            let starved = seen.starvation();
            assert!(starved < Duration::from_millis(500), "{lump}, {into}: nothing to play for {starved:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_sends_faster_than_it_plays_is_read_as_it_plays() {
    let speeds: [Comes; 2] = [|media| media / 1_000, |media| media / 4];
    for comes in speeds {
        let house = timed_channel(comes);
        let begun = Instant::now();
        let (mut viewer, mut seen) = (house.join(), Seen::default());
        seen.watch(&mut viewer, begun + 60 * SECOND).await;
        let came = seen.media(begun + 60 * SECOND);
        assert!((74_000..78_000).contains(&came), "{came} ms of media in 60 s");
        assert!(seen.gap(begun + 20 * SECOND) <= Duration::from_millis(500));
        let report = house.channels.report("one").unwrap();
        assert_eq!((house.script.opened().len(), report.output.splices), (1, 0));
        // Who comes now begins where the first one plays.
        let (mut late, mut seen) = (house.join(), Seen::default());
        seen.watch(&mut late, Instant::now() + SECOND).await;
        assert!(seen.media(Instant::now()) > 14_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_from_a_web_server_is_asked_for_again_when_it_has_been_played() {
    for seconds in [8, 40] {
        let file = Play::Timed { span: seconds * SECOND, comes: |media| media / 1_000, has_length: true };
        let house = House::new(&one(r#"["http://h/a"]"#), &[("/a", &[file])]);
        let begun = Instant::now();
        let (mut viewer, mut seen) = (house.join(), Seen::default());
        seen.watch(&mut viewer, begun + 60 * SECOND).await;
        let passes = house.script.opened().len();
        let expected = usize::try_from(60 / seconds).unwrap() + 1;
        assert!(passes <= expected, "{seconds} s: asked for {passes} times in a minute");
        assert!(seen.media(begun + 60 * SECOND) <= 78_000);
        if seconds == 40 {
            assert!(seen.starvation() < Duration::from_millis(200), "{:?}", seen.starvation());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_file_is_left_at_once_where_there_is_another_source() {
    let file = Play::Timed { span: 10 * SECOND, comes: |media| media / 1_000, has_length: true };
    let house = House::new(&one(r#"["http://h/a", "http://h/b"]"#), &[("/a", &[file]), ("/b", &[endless()])]);
    let mut viewer = house.join();
    watch(&mut viewer, 2 * SECOND).await;
    assert_eq!(house.script.opened(), ["/a", "/a", "/b"], "it may be a notice");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_gets_ready_or_answers_late_is_waited_for() {
    for play in [Play::WarmUp(8 * SECOND), Play::Late(8 * SECOND)] {
        let house = House::new(&one(r#"["http://h/a"]"#), &[("/a", std::slice::from_ref(&play))]);
        let mut viewer = house.join();
        assert!(matches!(viewer.started().await, Start::Started), "{play:?}: {:?}", house.script.opened());
        assert_eq!(house.script.opened().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_start_keeps_no_dead_source_on_air() {
    // 15 s come at once, and then it goes on as it plays, for half a minute.
    let house = House::new(
        &one(r#"["http://h/a", "http://h/b"]"#),
        &[
            (
                "/a",
                &[Play::Timed {
                    span: 3600 * SECOND,
                    comes: |media| match media {
                        0..15_000 => 0,
                        15_000..45_000 => media - 15_000,
                        _ => 3_600_000,
                    },
                    has_length: false,
                }],
            ),
            ("/b", &[endless()]),
        ],
    );
    let begun = Instant::now();
    let (mut viewer, mut seen) = (house.join(), Seen::default());
    seen.watch(&mut viewer, begun + 40 * SECOND).await;
    let gap = seen.gap(begun + 20 * SECOND);
    assert!(gap < 4 * SECOND, "nothing came for {gap:?}");
    assert_eq!(house.channels.report("one").unwrap().switches_total, 1);
}
