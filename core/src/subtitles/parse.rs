//! Reads `SubRip` and `WebVTT`.

use std::time::Duration;

use super::Cue;
use super::text::{convert, decode};

/// The most cues of a file: more than a day of talk has.
const MAX_CUES: usize = 50_000;

/// How long a cue is shown whose end is in front of its beginning.
const SHOWN: Duration = Duration::from_secs(3);

/// Times beyond are mistakes, and would be shown at the wrong end of a film.
const MAX_HOURS: u64 = 1000;

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `SubRip`, `.srt`.
    SubRip,
    /// `WebVTT`, `.vtt`.
    WebVtt,
}

/// The cues of a file, in the order in which they are shown. What cannot be read is left out.
pub fn parse(bytes: &[u8]) -> Vec<Cue> {
    let text = decode(bytes);
    let kind = if text.trim_start().starts_with("WEBVTT") { Kind::WebVtt } else { Kind::SubRip };
    let mut cues = Vec::new();
    let mut lines = text.split(['\n', '\r']).peekable();
    // Lines that end in two characters have an empty one in between, which is none.
    let is_single = !text.contains('\n') || !text.contains('\r');
    while let Some(line) = lines.next() {
        let Some((begin, end, settings)) = times(line) else { continue };
        let mut content: Vec<&str> = Vec::new();
        let mut empty = 0;
        while let Some(next) = lines.peek() {
            if times(next).is_some() {
                // The cue before had no empty line behind it: its last is the number of this one.
                if content.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
                    content.pop();
                }
                break;
            }
            if next.trim().is_empty() {
                empty += 1;
                if empty > usize::from(!is_single) {
                    break;
                }
            } else {
                empty = 0;
                content.push(next.trim_end());
            }
            lines.next();
        }
        if cues.len() == MAX_CUES {
            break;
        }
        cues.extend(cue(kind, begin, end, settings, &content));
    }
    cues.sort_by_key(|cue: &Cue| cue.begin);
    cues
}

/// A cue of text as `SubRip` has it, if there is anything to show.
pub fn spoken(begin: Duration, end: Duration, content: &str) -> Option<Cue> {
    let lines: Vec<&str> = content.lines().collect();
    cue(Kind::SubRip, begin, end, "", &lines)
}

/// A cue of a line of Advanced `SubStation` Alpha as Matroska has it: the text behind eight fields,
/// with codes of its own for the ends of lines.
pub fn styled(begin: Duration, end: Duration, content: &str) -> Option<Cue> {
    const FIELDS: usize = 8;
    let text = content.splitn(FIELDS + 1, ',').nth(FIELDS)?;
    // Drawings are no text.
    if text.contains("\\p1") {
        return None;
    }
    spoken(begin, end, &text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " "))
}

/// A cue, if there is anything to show.
fn cue(kind: Kind, begin: Duration, end: Duration, settings: &str, content: &[&str]) -> Option<Cue> {
    let text = content.join("\n");
    let (text, settings) = match kind {
        // In this order: without the zeros, what stands around them may be an arrow.
        Kind::WebVtt => (text.replace('\0', "").replace("-->", "--&gt;"), settings.trim().to_owned()),
        Kind::SubRip => {
            let (text, is_top) = convert(&text);
            (text, if is_top { "line:0".to_owned() } else { String::new() })
        }
    };
    let end = if end > begin { end } else { begin + SHOWN };
    // A line of nothing but tags would end the cue.
    let text = text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n");
    (!text.trim().is_empty()).then_some(Cue { begin, end, settings, text })
}

/// A line of times, such as `00:01:02,500 --> 00:01:04,000`, and what stands behind them.
fn times(line: &str) -> Option<(Duration, Duration, &str)> {
    let (begin, rest) = line.split_once("-->")?;
    let rest = rest.trim_start();
    let end = rest.find(|character: char| !matches!(character, '0'..='9' | ':' | ',' | '.' | ' '));
    let (mut end, mut settings) = rest.split_at(end.unwrap_or(rest.len()));
    if let Some((time, behind)) = end.trim_end().split_once(' ') {
        (end, settings) = (time, behind);
    }
    Some((time(begin.trim())?, time(end.trim())?, settings))
}

/// `[hours:]minutes:seconds[,thousandths]`, with any number of digits.
fn time(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once([',', '.']).unwrap_or((text, ""));
    let mut seconds: u64 = 0;
    let mut parts = 0;
    for part in whole.split(':') {
        if parts == 3 {
            return None;
        }
        let digits = part.trim();
        let is_number =
            !digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        seconds = seconds * 60 + is_number.then(|| digits.parse::<u64>().ok())??;
        parts += 1;
    }
    let mut millis: u64 = 0;
    let digits = fraction.trim().bytes().take(3);
    for (place, digit) in [100, 10, 1].into_iter().zip(digits) {
        millis += place * u64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    let is_time = parts >= 2 && seconds < MAX_HOURS * 3600;
    is_time.then(|| Duration::from_millis(seconds * 1000 + millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(file: &str) -> Vec<(u128, u128, String)> {
        let cues = parse(file.as_bytes());
        cues.into_iter().map(|cue| (cue.begin.as_millis(), cue.end.as_millis(), cue.text)).collect()
    }

    #[test]
    fn files_as_they_are_found_are_read() {
        let expected = vec![(1000, 2500, "One\ntwo".to_owned()), (3_661_000, 3_662_000, "Three".to_owned())];
        for file in [
            "1\n00:00:01,000 --> 00:00:02,500\nOne\ntwo\n\n2\n01:01:01,000 --> 01:01:02,000\nThree\n",
            // Windows, no numbers, points, spaces, hours of one digit.
            "00:00:01.000-->00:00:02.5\r\nOne\r\ntwo\r\n\r\n1:1:1 --> 01:01:02,000 \r\nThree",
            // Old Macintosh; places on the screen.
            "1\r00:00:01,000 --> 00:00:02,500 X1:10 X2:20\rOne\rtwo\r\r2\r01:01:01,000 --> 01:01:02,000\rThree",
            // No empty line between.
            "1\n00:00:01,000 --> 00:00:02,500\nOne\ntwo\n2\n01:01:01,000 --> 01:01:02,000\nThree",
            "WEBVTT - x\n\nNOTE a\nb\n\none\n00:01.000 --> 00:02.500\nOne\ntwo\n\n01:01:01.000 --> 01:01:02.000\nThree",
            // In another order.
            "2\n01:01:01,000 --> 01:01:02,000\nThree\n\n1\n00:00:01,000 --> 00:00:02,500\nOne\ntwo\n",
        ] {
            assert_eq!(shown(file), expected, "{file:?}");
        }
    }

    #[test]
    fn times_that_cannot_be_are_mended_or_left_out() {
        let file = "1\n00:00:05,000 --> 00:00:04,000\nBack\n\n2\n99999:00:00,0 --> 99999:00:01,0\nNever\n\n\
                    3\nx --> y\nNo\n\n4\n00:00:09,000 --> 00:00:09,000\n\n5\n00:00:10,1 --> 00:00:11\nLast";
        assert_eq!(shown(file), [(5000, 8000, "Back".to_owned()), (10_100, 11_000, "Last".to_owned())]);
        assert!(parse(&[0; 1000]).is_empty() && parse(b"").is_empty());
    }

    #[test]
    fn text_in_films_is_read() {
        let (begin, end) = (Duration::from_secs(1), Duration::from_secs(2));
        let text = |cue: Option<Cue>| cue.map(|cue| cue.text);
        assert_eq!(
            text(spoken(begin, end, "<i>One</i>\r\ntwo & three")),
            Some("<i>One</i>\ntwo &amp; three".into())
        );
        let line = "3,0,Default,,0,0,0,,{\\i1}One, two\\Nthree{\\i0}";
        assert_eq!(text(styled(begin, end, line)), Some("One, two\nthree".into()));
        assert_eq!(styled(begin, end, "4,0,Default,,0,0,0,,{\\p1}m 0 0 l 9 9"), None);
        assert_eq!((styled(begin, end, "1,2,3"), spoken(begin, end, " ")), (None, None));
    }

    #[test]
    fn places_on_the_screen_are_kept() {
        let vtt = parse(b"WEBVTT\n\n00:01.000 --> 00:02.000 line:10% align:left\n<v Bob>Hi</v>");
        assert_eq!(
            (vtt[0].settings.as_str(), vtt[0].text.as_str()),
            ("line:10% align:left", "<v Bob>Hi</v>")
        );
        let zeros = parse(b"WEBVTT\n\n00:01.000 --> 00:02.000\na --\0> b");
        assert_eq!(zeros[0].text, "a --&gt; b");
        let srt = parse(b"1\n00:00:01,000 --> 00:00:02,000\n{\\an8}Hi");
        assert_eq!(srt[0].settings, "line:0");
    }
}
