//! What the rules of health notice, how soon, and what they must not notice.

#[path = "support/muxer.rs"]
mod muxer;
#[path = "support/programme.rs"]
mod programme;

use std::time::Duration;

use forebay_core::health::{Fault, Inspector, Rule, Rules};
use forebay_core::time::{Moment, Pts};

use programme::{GOP, Programme, SILENCE, Shot, mix, shot};

/// Pictures in a second.
const SECOND: u64 = 25;

/// When faults begin: 20 s.
const FAULT: u64 = 20 * SECOND;

/// Milliseconds from one picture to the next.
const PICTURE: u64 = 40;

/// A source: what each picture is like, and when it comes, in milliseconds.
struct Case {
    name: &'static str,
    rules: Rules,
    is_paced: bool,
    /// How long it is watched, in seconds.
    seconds: u64,
    shot: fn(u64) -> Shot,
    arrival: fn(u64) -> u64,
    /// What happens before a picture.
    event: fn(u64, &mut Inspector),
}

impl Case {
    fn new(name: &'static str, shot: fn(u64) -> Shot) -> Self {
        let rules = Rules::default();
        Self { name, rules, is_paced: false, seconds: 90, shot, arrival: |n| n * PICTURE, event: |_, _| {} }
    }

    fn arriving(self, arrival: fn(u64) -> u64) -> Self {
        Self { arrival, ..self }
    }

    fn with(self, event: fn(u64, &mut Inspector)) -> Self {
        Self { event, ..self }
    }

    /// The faults as they begin: when, in milliseconds of the clock on the wall, and what is said.
    fn run(&self) -> Vec<(u64, Rule, String)> {
        let new = self.hear().into_iter().filter(|(_, fault)| fault.is_new);
        new.map(|(at, fault)| (at, fault.rule, fault.to_string())).collect()
    }

    /// All that is told of.
    fn hear(&self) -> Vec<(u64, Fault)> {
        let mut inspector = Inspector::new(self.rules, None);
        if self.is_paced {
            inspector.set_paced();
        }
        // The stamps wrap on the way.
        let mut programme = Programme::new(Pts::new(Pts::WRAP - 90_000 * 30));
        let mut faults = Vec::new();
        for number in 0..self.seconds * SECOND {
            let at = (self.arrival)(number);
            (self.event)(number, &mut inspector);
            inspector.push(Moment::from_millis(at), &programme.next(&(self.shot)(number)));
            while let Some(fault) = inspector.poll_fault() {
                faults.push((at, fault));
            }
        }
        for rule in Rule::ALL {
            let begun = faults.iter().filter(|(_, fault)| fault.rule == rule && fault.is_new).count();
            assert_eq!(inspector.count(rule), begun as u64, "{}: {}", self.name, rule.name());
        }
        faults
    }
}

/// `faulty`, from the moment at which faults begin.
macro_rules! then {
    ($faulty:expr) => {
        |n| if n < FAULT { shot(n) } else { ($faulty as fn(u64) -> Shot)(n) }
    };
}

/// The same content every ten seconds, and none that the good programme has.
fn looped(n: u64) -> Shot {
    let in_clip = n % (10 * SECOND) + 10_000 * GOP;
    Shot { picture: Some(in_clip), sound: Some(in_clip), ..shot(in_clip) }
}

/// A picture that stands still, coded as encoders do: groups are all the same.
fn still(n: u64) -> Shot {
    let in_group = n % GOP;
    Shot { picture: Some(in_group), size: if in_group == 0 { 3000 } else { 90 }, ..shot(n) }
}

/// Sound, and a picture every so many seconds, with which the clock comes.
fn slides(n: u64, seconds: u64) -> Shot {
    let is_entry = n.is_multiple_of(seconds * SECOND);
    Shot { picture: Some(n).filter(|_| is_entry), is_entry, ..shot(n) }
}

/// Ten seconds of programme and six of an advertisement, the same in each break. The sound of its
/// first second is another each time.
fn break_in(n: u64) -> Shot {
    let (number, at) = (n / (16 * SECOND), n % (16 * SECOND));
    if at < 10 * SECOND {
        return shot(n);
    }
    let in_part = at - 10 * SECOND;
    let content = 10_000 * GOP + in_part;
    let sound = if in_part < SECOND { content + number * 100_000 } else { content };
    Shot { picture: Some(content), sound: Some(sound), ..shot(in_part) }
}

#[test]
fn faults_are_noticed_in_time() {
    let cases = [
        (
            Case::new("half the pace", shot)
                .arriving(|n| PICTURE * if n < FAULT { n } else { 2 * n - FAULT }),
            Rule::Slow,
            2_500..=3_100,
            "only 1.",
        ),
        (
            Case::new("ten per cent too slow", shot)
                .arriving(|n| PICTURE * if n < FAULT { n } else { n + (n - FAULT) / 9 }),
            Rule::Slow,
            50_000..=65_000,
            "media has fallen 5.",
        ),
        (
            Case::new("a picture a second", shot)
                .arriving(|n| if n < FAULT { n * PICTURE } else { 1000 * n - (1000 - PICTURE) * FAULT }),
            Rule::Slow,
            7_500..=9_000,
            "media has fallen 8.",
        ),
        (
            Case::new("no pictures, and no clock", then!(|n| Shot { picture: None, ..shot(n) })),
            Rule::VideoMissing,
            2_900..=3_200,
            "video is announced, and none came for 3.0 s",
        ),
        (
            Case::new("no sound", then!(|n| Shot { sound: None, ..shot(n) })),
            Rule::AudioMissing,
            5_000..=5_100,
            "audio is announced, and none came for 5.0 s",
        ),
        (
            Case::new("scrambled", then!(|n| Shot { is_scrambled: true, ..shot(n) })),
            Rule::Scrambled,
            1_000..=1_300,
            "scrambled for 1.0 s",
        ),
        (
            Case::new("losses", then!(|n| Shot { lost: 1, ..shot(n) })),
            Rule::Damaged,
            2_900..=3_300,
            "damaged or lost packets in 3.0 s",
        ),
        (Case::new("damage", then!(|n| Shot { damaged: 2, ..shot(n) })), Rule::Damaged, 2_100..=3_300, ""),
        (
            Case::new(
                "a clock that goes back and forth",
                then!(|n| Shot { clock: ((n / SECOND) % 2).cast_signed() * 9_000_000, ..shot(n) }),
            ),
            Rule::ErraticClock,
            3_000..=4_100,
            "the clock jumped 4 times in 3.0 s",
        ),
        (
            Case::new(
                "stamps that go back and forth",
                then!(|n| Shot { stamps: ((n / SECOND) % 2).cast_signed() * -900_000, ..shot(n) }),
            ),
            Rule::ErraticClock,
            3_000..=4_100,
            "the clock jumped 4 times",
        ),
        (
            Case::new("a clip in a loop", then!(looped)),
            Rule::Repeating,
            12_000..=13_100,
            "2.0 s were the same as 10.0 s before",
        ),
        (
            Case::new("a notice that stands still, with music in a loop", |n| {
                if n < FAULT { shot(n) } else { Shot { sound: looped(n).sound, ..still(n) } }
            }),
            Rule::Repeating,
            12_000..=13_100,
            "2.0 s were the same as 10.0 s before",
        ),
        (
            Case::new("a still picture in silence", then!(|n| Shot { sound: Some(SILENCE), ..still(n) })),
            Rule::Repeating,
            60_000..=63_000,
            "60.0 s were the same as 1.0 s before",
        ),
    ];
    for (case, rule, within, said) in cases {
        let faults = case.run();
        let [(at, fired, text)] = &faults[..] else { panic!("{}: {faults:?}", case.name) };
        let took = at - (case.arrival)(FAULT);
        assert_eq!(*fired, rule, "{}", case.name);
        assert!(within.contains(&took) && text.contains(said), "{}: {took} ms: {text}", case.name);
    }
}

#[test]
fn what_was_announced_and_never_came_is_noticed() {
    let cases = [
        (Case::new("pictures", |n| Shot { picture: None, ..shot(n) }), Rule::VideoMissing, 3_000..=3_200),
        (Case::new("sound", |n| Shot { sound: None, ..shot(n) }), Rule::AudioMissing, 8_000..=8_200),
        (
            Case::new("sound alone, scrambled", |n| Shot {
                picture: None,
                announced: [false, true],
                is_scrambled: true,
                ..shot(n)
            }),
            Rule::Scrambled,
            1_000..=1_500,
        ),
    ];
    for (case, rule, within) in cases {
        let faults = case.run();
        let [(at, fired, _)] = &faults[..] else { panic!("{}: {faults:?}", case.name) };
        assert!(*fired == rule && within.contains(at), "{}: {at} ms", case.name);
    }
}

#[test]
fn healthy_sources_are_left_alone() {
    let cases = [
        Case::new("nothing special", shot),
        Case::new("ten seconds at once", shot).arriving(|n| (n * PICTURE).saturating_sub(10_000)),
        Case::new("bursts of two seconds", shot).arriving(|n| n.next_multiple_of(2 * SECOND) * PICTURE),
        Case::new("a pause of two seconds, made up for", shot).arriving(
            |n| if (FAULT..FAULT + 2 * SECOND).contains(&n) { FAULT + 2 * SECOND } else { n } * PICTURE,
        ),
        Case::new("two seconds in which little comes, made up for", shot).arriving(|n| {
            PICTURE
                * if (FAULT..FAULT + 2 * SECOND).contains(&n) { FAULT + (n - FAULT) * 10 } else { n }
                    .min(n.max(FAULT + 2 * SECOND))
        }),
        Case::new("a pause of six seconds, made up for in two", shot).arriving(|n| {
            let from = FAULT + 6 * SECOND;
            PICTURE * if n < FAULT { n } else { n.max(from + (n - FAULT) / 4) }
        }),
        Case::new("a pause of two seconds that stays", shot)
            .arriving(|n| if n < FAULT { n } else { n + 2 * SECOND } * PICTURE),
        Case::new("a jump of the clock", |n| {
            let jump = if n < FAULT { 0 } else { 90_000_000 };
            Shot { clock: jump, stamps: jump, ..shot(n) }
        }),
        Case::new("an advertisement with a clock of its own", |n| {
            let jump = if (FAULT..2 * FAULT).contains(&n) { -90_000_000 } else { 0 };
            Shot { clock: jump, stamps: jump, ..shot(n) }
        }),
        Case::new("half a second of losses", |n| Shot {
            lost: if (FAULT..FAULT + 12).contains(&n) { 4 } else { 0 },
            ..shot(n)
        }),
        Case::new("a loss a second", |n| Shot { lost: usize::from(n % SECOND == 7), ..shot(n) }),
        Case::new("scrambled for half a second", |n| Shot {
            is_scrambled: (FAULT..FAULT + 12).contains(&n),
            ..shot(n)
        }),
        Case::new("four seconds without sound", |n| Shot {
            sound: Some(n).filter(|n| !(FAULT..FAULT + 4 * SECOND).contains(n)),
            ..shot(n)
        }),
        Case::new("sound that comes late", |n| Shot {
            sound: Some(n).filter(|&n| n > 7 * SECOND),
            ..shot(n)
        }),
        Case::new(
            "sound that the map takes back",
            then!(|n| Shot { sound: None, announced: [true, false], ..shot(n) }),
        ),
        Case::new("a picture that stands still, with a voice", still),
        Case::new("a picture every four seconds, and its sound", |n| slides(n, 4)),
        Case::new("a picture every ten seconds, and its sound", |n| slides(n, 10)),
        Case::new("a picture every half minute, and its sound", |n| slides(n, 30)),
        Case::new("half a minute of nothing", |n| {
            if (FAULT..FAULT + 30 * SECOND).contains(&n) {
                Shot { sound: Some(SILENCE), ..still(n) }
            } else {
                shot(n)
            }
        }),
        Case::new("a voice with long pauses over a still picture", |n| {
            let has_pause = n / SECOND % 20 < 15;
            Shot { sound: Some(if has_pause { SILENCE } else { n }), ..still(n) }
        }),
        Case::new("an advertisement of thirty seconds, twice", |n| {
            shot(n % (30 * SECOND) + n / (60 * SECOND) * 1000)
        })
        .with(|n, inspector| {
            if n % (30 * SECOND) == 0 {
                inspector.note_discontinuity();
            }
        }),
        Case::new("an advertisement in each break, whose sound is cut elsewhere each time", break_in).with(
            |n, inspector| {
                if [0, 10 * SECOND].contains(&(n % (16 * SECOND))) {
                    inspector.note_discontinuity();
                }
            },
        ),
        Case::new("parts that count by themselves", |n| Shot { lost: usize::from(n % 10 == 9), ..shot(n) })
            .with(|n, inspector| {
                if n % 10 == 0 {
                    inspector.cut();
                }
            }),
        Case { is_paced: true, ..Case::new("read as it is needed", shot).arriving(|n| 2 * n * PICTURE) },
    ];
    for case in cases {
        assert_eq!(case.run(), [], "{}", case.name);
    }
}

#[test]
fn a_rule_that_is_off_says_nothing() {
    let off = Rules {
        slow: None,
        video_missing: None,
        audio_missing: None,
        scrambled: None,
        damaged: None,
        erratic_clock: None,
        repeating: None,
        frozen_picture: None,
    };
    let shots: [fn(u64) -> Shot; 3] = [
        looped,
        |n| Shot { sound: None, is_scrambled: true, lost: 1, ..shot(n) },
        |n| Shot { picture: None, clock: n.cast_signed() * 900_000, ..shot(n) },
    ];
    for shot in shots {
        let case = Case { rules: off, ..Case::new("off", shot) };
        assert_eq!(case.arriving(|n| 2 * n * PICTURE).run(), []);
    }
}

#[test]
fn pictures_that_stand_still_are_noticed_where_that_is_asked_for() {
    let rules = Rules { frozen_picture: Some(Duration::from_secs(10)), ..Rules::default() };
    let frozen = Case { rules, ..Case::new("a voice over a still picture", then!(still)) };
    let faults = frozen.run();
    let [(at, Rule::FrozenPicture, text)] = &faults[..] else { panic!("{faults:?}") };
    assert!((30_000..=31_100).contains(at) && text == "the picture has not moved for 10.0 s", "{at}: {text}");
    let moving = Case { rules, ..Case::new("moving", shot) };
    assert_eq!(moving.run(), []);
}

#[test]
fn a_stretch_is_told_once_and_the_next_one_again() {
    // Sound is away for 6 s in each half minute.
    let case = Case::new("sound comes and goes", |n| Shot {
        sound: Some(n).filter(|n| n % (30 * SECOND) > 6 * SECOND),
        ..shot(n)
    });
    let times: Vec<u64> = case.run().iter().map(|(at, ..)| at / 1000).collect();
    assert_eq!(times, [35, 65]);
}

#[test]
fn a_notice_that_goes_on_is_told_of_again() {
    let case = Case::new("a clip in a loop", then!(looped));
    let heard = case.hear();
    let [(begun, first), again @ ..] = &heard[..] else { panic!("nothing was told") };
    assert!(first.is_new && again.len() >= 3, "{heard:?}");
    for (number, (at, fault)) in (1..).zip(again) {
        assert!(!fault.is_new && fault.rule == Rule::Repeating, "{fault:?}");
        assert_eq!((at - begun + 500) / 10_000, number, "every ten seconds");
    }
}

/// Half an hour of what networks and encoders do.
#[test]
fn thirty_minutes_of_jitter_are_no_fault() {
    for seed in 0..3 {
        let mut inspector = Inspector::new(Rules::default(), None);
        let mut programme = Programme::new(Pts::new(seed << 32));
        let mut random = seed;
        let mut below = |limit: u64| {
            random = mix(random + 0x9E37_79B9);
            random % limit
        };
        // The provider's clock differs from ours by 200 parts in a million, either way.
        let drift = if seed % 2 == 0 { 1_000_200 } else { 999_800 };
        // What has been sent and not come, and until when nothing comes.
        let (mut waiting, mut open_at) = (Vec::new(), 0);
        for number in 0..30 * 60 * SECOND {
            let now = number * PICTURE * drift / 1_000_000;
            let mut shot = shot(number);
            // Bitrates vary by scenes of some seconds, and with them how large pictures are.
            shot.size = shot.size * (1 + (mix((number / 200) ^ seed) % 4) as usize) / 2;
            // Sound comes in lumps, and is missing for up to two seconds now and then.
            let is_away = mix((number / 50) ^ (seed << 32)).is_multiple_of(60);
            shot.sound = shot.sound.filter(|_| !is_away);
            shot.lost = usize::from(below(2000) == 0);
            waiting.extend(programme.next(&shot));
            open_at = match below(1500) {
                0 => now + 2_000,            // a hiccup
                1..30 => now + below(1_000), // congestion
                30..400 => now + below(150), // the usual
                _ => open_at,
            }
            .max(open_at);
            if now >= open_at {
                inspector.push(Moment::from_millis(now), &waiting);
                waiting.clear();
            }
            let fault = inspector.poll_fault().map(|fault| format!("{}: {fault}", fault.rule.name()));
            assert_eq!(fault, None, "after {} s, seed {seed}", now / 1000);
        }
    }
}
