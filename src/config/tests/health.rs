//! `[stream.health]`, and `health` of a channel.

use std::time::Duration;

use forebay_core::health::Rules;

use super::parse;

#[test]
fn a_channel_changes_single_rules_of_all_channels() {
    let config = parse(
        "[stream.health]
        slow = '10s'\nvideo_missing = '4s'\naudio_missing = 'off'\nscrambled = '2s'\ndamaged = 'off'
        erratic_clock = 8\nrepeating = '3s'\nfrozen_picture = '20s'
        [[channels]]\nid = 'a'\nsources = ['testcard://']
        [[channels]]\nid = 'b'\nsources = ['testcard://']
        health = { slow = 'off', audio_missing = '10s', damaged = 50, erratic_clock = 'off', frozen_picture = 'off' }",
    )
    .unwrap();
    let secs = |secs| Some(Duration::from_secs(secs));
    let all = Rules {
        slow: secs(10),
        video_missing: secs(4),
        audio_missing: None,
        scrambled: secs(2),
        damaged: None,
        erratic_clock: Some(8),
        repeating: secs(3),
        frozen_picture: secs(20),
    };
    let own = Rules {
        slow: None,
        audio_missing: secs(10),
        damaged: Some(50),
        erratic_clock: None,
        frozen_picture: None,
        ..all
    };
    let rules: Vec<Rules> = config.channels.iter().map(|channel| channel.policy.health).collect();
    assert_eq!(rules, [all, own]);
}

#[test]
fn wrong_thresholds_are_refused_with_their_places() {
    let text = "[stream.health]
slow = '1s'
scrambled = 'never'
damaged = 0
erratic_clock = 'often'
repeating = 5
[[channels]]
id = 'a'
sources = ['testcard://']
";
    let expected = [
        "2:8: slow: 1s is out of range, expected 2s to 1m, or \"off\"",
        "3:13: scrambled: \"never\" is not a duration such as \"500ms\", \"30s\" or \"5m\", or \"off\"",
        "4:11: damaged: 0 is out of range, expected 1 to 10000, or \"off\"",
        "5:17: erratic_clock: \"often\" is neither a whole number nor \"off\"",
    ]
    .map(|message| format!("channels.toml:{message}"));
    assert_eq!(parse(&text.replace("repeating = 5\n", "")).unwrap_err(), expected.join("\n"));
    assert_eq!(parse(text).unwrap_err(), "channels.toml:6:13: expected a duration such as \"30s\", found 5");
    let unknown = parse("[stream.health]\nslwo = '5s'").unwrap_err();
    assert!(unknown.ends_with("did you mean \"slow\"?"), "{unknown}");
}
