//! Writes `WebVTT`.

use std::fmt::Write as _;
use std::time::Duration;

use super::Cue;

/// All cues in one file, of a film that is over at `end`. An empty cue is shown then: ffmpeg takes
/// the end of the last one for the end of everything, and stops playing.
pub fn whole(cues: &[Cue], end: Duration) -> String {
    let mut text = "WEBVTT\n\n".to_owned();
    for cue in cues {
        write(&mut text, cue);
    }
    let last = Duration::from_millis(1);
    let _ = writeln!(text, "{} --> {}\n", Stamp(end), Stamp(end + last));
    text
}

/// A segment of an HLS playlist (RFC 8216, section 3.5): what is shown from `begin` to `end`. The
/// film's zero is that of its clock.
pub fn part(cues: &[Cue], begin: Duration, end: Duration) -> String {
    let mut text = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n".to_owned();
    // Those that begin before it may go on in it: they are in both.
    let until = cues.partition_point(|cue| cue.begin < end);
    for cue in cues[..until].iter().filter(|cue| cue.end > begin) {
        write(&mut text, cue);
    }
    text
}

fn write(text: &mut String, cue: &Cue) {
    let settings = if cue.settings.is_empty() { String::new() } else { format!(" {}", cue.settings) };
    let _ = writeln!(text, "{} --> {}{settings}\n{}\n", Stamp(cue.begin), Stamp(cue.end), cue.text);
}

/// A time with hours.
pub(crate) struct Stamp(pub(crate) Duration);

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{:03}", self.0.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cue_is_in_every_segment_in_which_it_is_shown() {
        let cue = |begin, end, settings: &str, text: &str| Cue {
            begin: Duration::from_millis(begin),
            end: Duration::from_millis(end),
            settings: settings.to_owned(),
            text: text.to_owned(),
        };
        let cues =
            [cue(500, 6500, "", "a"), cue(5999, 6000, "line:0", "b"), cue(3_606_000, 3_607_000, "", "c")];
        let part = |from, to| {
            let text = part(&cues, Duration::from_secs(from), Duration::from_secs(to));
            let (head, rest) = text.split_once("\n\n").unwrap();
            assert_eq!(head, "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000");
            rest.to_owned()
        };
        let (a, b) = ("00:00:00.500 --> 00:00:06.500\na\n\n", "00:00:05.999 --> 00:00:06.000 line:0\nb\n\n");
        assert_eq!(part(0, 6), format!("{a}{b}"));
        assert_eq!(part(6, 12), a);
        assert_eq!(part(12, 18), "");
        assert_eq!(part(3600, 3606), "");
        let whole = whole(&cues, Duration::from_secs(3610));
        assert!(whole.ends_with("01:00:06.000 --> 01:00:07.000\nc\n\n01:00:10.000 --> 01:00:10.001\n\n"));
    }
}
