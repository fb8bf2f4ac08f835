//! What goes out of picture and sound, and when: tables of what comes, and of what is let out.

use super::*;

/// One hour before time stamps begin again at zero, and one second before that.
const EARLY: u64 = Pts::WRAP - 3600 * 90_000;
const LATE: u64 = Pts::WRAP - 90_000;

/// Plays a script from a time stamp on, and tells what goes out at each `|`. `v3` is a picture of
/// the third second and `a3` sound of it, `-` before a number goes back from the beginning; `step`,
/// `alone` and `unknown` are how they go together, and `+2` lets two seconds go out in any case.
fn play_from(begin: u64, script: &str) -> (String, Counts) {
    let (mut merge, mut counts, mut told) = (Merge::default(), Counts::default(), Vec::new());
    let (mut zero, mut pairing) = (None, Pairing::default());
    for word in script.split(' ') {
        let mut pair = |new| {
            pairing = new;
            merge.set_pairing(new, Duration::ZERO);
        };
        match (word, word.split_at(1)) {
            ("step", _) => pair(Pairing::InStep),
            ("alone", _) => pair(Pairing::PictureAlone),
            ("unknown", _) => pair(Pairing::Unknown),
            (_, ("+", span)) => merge.set_pairing(pairing, Duration::from_secs(span.parse().unwrap())),
            ("|", _) => {
                let mut out = Vec::new();
                while let Some(item) = merge.pop(true, &mut counts) {
                    let zero = zero.expect("something has come");
                    let second = (item.time.ticks() - zero) / 90_000;
                    out.push(format!("{}{second}", ["v", "a"][item.stream]));
                }
                told.push(out.join(" "));
            }
            (_, (kind, second)) => {
                let ticks = 90_000 * second.parse::<i64>().unwrap();
                let time = merge.place(Pts::new(begin).shifted(ticks));
                zero = zero.or_else(|| Some(time.ticks() - ticks));
                let (rendition, stream) =
                    if kind == "v" { (Rendition::Main, 0) } else { (Rendition::Audio, 1) };
                merge.push(rendition, Item { stream, time, is_entry: false, bytes: Vec::new() });
            }
        }
    }
    assert_eq!(merge.held() == 0, !merge.holds(|_| true));
    (told.join(" | "), counts)
}

/// The same wherever time stamps begin: also where they begin again at zero meanwhile.
fn assert_plays(script: &str, told: &str) {
    for begin in [0, EARLY, LATE] {
        let (is_told, counts) = play_from(begin, script);
        assert_eq!((&is_told[..], counts), (told, Counts::default()), "{script} from {begin}");
    }
}

#[test]
fn in_step_each_waits_for_the_other() {
    for (script, told) in [
        ("v0 v1 v2 | a0 | a1 a2 |", " | v0 a0 | v1 a1 v2 a2"),
        ("a0 a1 a2 | v0 | v1 v2 |", " | v0 a0 | v1 a1 v2 a2"),
        // Sound that ends later than its picture, and sooner.
        ("v0 v1 a0 a1 a2 a3 | v2 |", "v0 a0 v1 a1 | v2 a2"),
        ("v0 v1 v2 v3 a0 a1 | a2 a3 |", "v0 a0 v1 a1 | v2 a2 v3 a3"),
        // Sound that begins sooner, and later: what has no picture is left out elsewhere.
        ("a-2 a-1 a0 | v0 |", " | a-2 a-1 v0 a0"),
        ("v0 v1 v2 | a2 |", " | v0 v1 v2 a2"),
        // One segment of sound is as long as all of the picture.
        ("v0 | v1 | v2 | a0 a1 a2 |", " |  |  | v0 a0 v1 a1 v2 a2"),
    ] {
        assert_plays(script, told);
    }
}

#[test]
fn nothing_goes_out_until_it_is_known_how_both_begin() {
    assert_plays("unknown v0 v1 a0 a1 | step |", " | v0 a0 v1 a1");
    assert_plays("unknown v0 v1 | alone |", " | v0 v1");
}

#[test]
fn sound_that_is_away_is_not_waited_for_and_heard_again_when_it_is_back() {
    assert_plays("v0 v1 a0 | alone | v2 | step v3 | a3 |", "v0 a0 | v1 | v2 |  | v3 a3");
    // As far as it was known to come, it goes with its picture.
    assert_plays("alone v0 v1 | a0 a1 a2 v2 |", "v0 v1 | a0 a1 v2 a2");
}

#[test]
fn a_picture_that_has_waited_goes_on_by_steps() {
    // What is let out is counted from what is held: the second step goes on where the first ended.
    assert_plays("v0 v1 v2 v3 | +1 | +0 | +1 |", " | v0 v1 |  | v2 v3");
    assert_plays("v0 v1 v2 v3 +1 | a3 |", "v0 v1 | v2 v3 a3");
}

#[test]
fn a_rendition_that_is_half_a_minute_ahead_waits_no_longer() {
    let (told, counts) = play_from(LATE, "v0 v1 v30 | v31 | a1 |");
    assert_eq!((&told[..], counts.unmatched), (" | v0 | v1 a1", 1));
    let (told, counts) = play_from(LATE, "a0 a1 a30 | a31 | v1 |");
    assert_eq!((&told[..], counts.unmatched), (" | a0 | v1 a1", 1));
}

#[test]
fn what_has_come_is_measured_and_forgotten_with_its_rendition() {
    let mut merge = Merge::default();
    let item = |stream, second: i64| Item {
        stream,
        time: MediaTime::new(90_000 * second),
        is_entry: false,
        bytes: vec![0; 100],
    };
    for second in [3, 4] {
        merge.push(Rendition::Main, item(0, second));
        merge.push(Rendition::Audio, item(1, second + 40));
    }
    let extents = |merge: &Merge| {
        merge.extents().map(|extent| extent.map(|it| (it.begin.ticks() / 90_000, it.end.ticks() / 90_000)))
    };
    assert_eq!(extents(&merge), [Some((3, 4)), Some((43, 44))]);
    let held = merge.held();
    // More than half a minute ahead: it is of another timeline.
    merge.break_off(Rendition::Audio, |stream| stream == 1);
    assert_eq!((merge.held(), extents(&merge)), (held / 2, [Some((3, 4)), None]));
    merge.discard(Rendition::Audio, |stream| stream == 1);
    assert_eq!(extents(&merge), [Some((3, 4)), None]);
    merge.discard(Rendition::Main, |stream| stream == 0);
    assert_eq!((extents(&merge), merge.held()), ([None, None], 0));
}
