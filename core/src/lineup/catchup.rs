//! Addresses of what a provider has kept of a channel's past.
//!
//! Players build them, each from what a list says, and the ways that Kodi knows are those that
//! others know, too. Times in words are those of the provider's clock and not of the viewer's: a
//! panel takes them for its own.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::entry::{Catchup, hours};
use super::kind::Kind;
use super::xtream::{Clock, StreamUrl};

/// The time span that an archive is asked for, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// When it begins.
    pub start: i64,
    /// When it ends, behind its beginning.
    pub end: i64,
    /// When somebody asks.
    pub now: i64,
}

/// What a provider has kept of a channel's past: how its list says it is reached, and by which
/// clock. It prints neither the address nor its template, which may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderArchive {
    mode: Box<str>,
    source: Box<str>,
    days: u32,
    correction: Option<Box<str>>,
    clock: Clock,
}

/// More days are taken for a slip of the pen: a month is what the largest archives have.
const MAX_DAYS: u32 = 60;

impl Catchup<'_> {
    /// How many days back it reaches; a day where it does not say.
    pub fn days(&self) -> u32 {
        let days = self.days.and_then(|days| days.trim().parse::<f64>().ok()).filter(|days| *days > 0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is positive and small"
        )]
        days.map_or(1, |days| days.ceil().min(f64::from(MAX_DAYS)) as u32)
    }

    /// Where the provider has a stretch of the channel at the address `live`; `None` where the list
    /// does not say enough.
    pub fn address(&self, live: &str, stretch: Stretch, clock: &Clock) -> Option<String> {
        let moved = self.correction.and_then(hours).unwrap_or_default();
        let stretch = Stretch {
            start: stretch.start.checked_add(moved.into())?,
            end: stretch.end.checked_add(moved.into())?,
            ..stretch
        };
        let template = |text: &str| Template { stretch, clock }.fill(text);
        let (path, query) = live.split_at(live.find(['?', '#']).unwrap_or(live.len()));
        let is_whole = self.source.contains("://");
        match &*self.mode.to_ascii_lowercase() {
            "shift" | "timeshift" => {
                let mark = if query.starts_with('?') { '&' } else { '?' };
                template(&format!("{live}{mark}utc={{utc}}&lutc={{lutc}}"))
            }
            mode @ ("flussonic" | "flussonic-hls" | "flussonic-ts" | "fs") => {
                Some(format!("{}{query}", flussonic(path, mode, stretch)?))
            }
            "xc" => Some(format!("{}{query}", panel(path, stretch, clock)?)),
            "append" if !self.source.is_empty() => template(&format!("{live}{}", self.source)),
            // Lists say the one and mean the other.
            _ if is_whole => template(self.source),
            _ if !self.source.is_empty() => template(&format!("{live}{}", self.source)),
            _ => None,
        }
    }
}

const DAY: i64 = 24 * 60 * 60;

impl ProviderArchive {
    /// What `catchup` says of the channel at the address `live`; `None` where no address follows
    /// from that, and so there is nothing to offer.
    pub fn new(catchup: &Catchup<'_>, live: &str, clock: Clock) -> Option<Self> {
        let archive = Self {
            mode: catchup.mode.into(),
            source: catchup.source.into(),
            days: catchup.days(),
            correction: catchup.correction.map(Into::into),
            clock,
        };
        // Any time will do: whether an address can be made does not depend on it.
        archive.address(live, Stretch { start: 0, end: DAY, now: DAY }).map(|_| archive)
    }

    /// How many days back it reaches.
    pub fn days(&self) -> u32 {
        self.days
    }

    /// Whether it may have the beginning of a stretch. Panels count whole days, and so the oldest
    /// one may have begun up to a day earlier.
    pub fn reaches(&self, stretch: Stretch) -> bool {
        let oldest = stretch.now - (i64::from(self.days) + 1) * DAY;
        (oldest..stretch.now).contains(&stretch.start)
    }

    /// Where it has a stretch of the channel at the address `live`.
    pub fn address(&self, live: &str, stretch: Stretch) -> Option<String> {
        let Self { mode, source, correction, clock, .. } = self;
        let catchup = Catchup { mode, source, days: None, correction: correction.as_deref() };
        let mut address = catchup.address(live, stretch, clock)?;
        // Headers for players behind a template: those of the channel itself are sent anyway.
        if let Some((url, options)) = address.split_once('|')
            && options.contains('=')
        {
            address.truncate(url.len());
        }
        // A template must not lead to a file of this machine.
        let scheme = address.split_once("://")?.0;
        let is_http = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        is_http.then_some(address)
    }

    /// Whether the address says where a stretch ends. Where it does not, what is sent goes on for
    /// as long as somebody takes it.
    pub fn is_bounded(&self, live: &str) -> bool {
        let until = |end| self.address(live, Stretch { start: 0, end, now: DAY });
        until(DAY / 2) != until(DAY)
    }
}

impl fmt::Debug for ProviderArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderArchive").field("days", &self.days).finish_non_exhaustive()
    }
}

impl Clock {
    /// What it shows at this moment. A name that nobody knows leaves the distance to UTC that it
    /// had when it was looked at, and nothing at all leaves UTC.
    pub fn shows(&self, at: i64) -> Option<DateTime> {
        let named = || TimeZone::get(&self.time_zone).ok();
        let offset = || Some(Offset::from_seconds(self.offset?).ok()?.to_time_zone());
        let zone = named().or_else(offset).unwrap_or(TimeZone::UTC);
        Some(zone.to_datetime(Timestamp::from_second(at).ok()?))
    }
}

/// The address of a panel's archive: `/timeshift/USER/PASSWORD/MINUTES/BEGINNING/ID`.
fn panel(path: &str, stretch: Stretch, clock: &Clock) -> Option<String> {
    let id = StreamUrl::read(path).filter(|url| url.kind == Kind::Live)?.id;
    let mut parts = path.rsplitn(4, '/');
    let (file, password, user) = (parts.next()?, parts.next()?, parts.next()?);
    let base = parts.next()?;
    let base = base.strip_suffix("/live").unwrap_or(base);
    let ending = if matches!(file.rsplit_once('.'), Some((_, "m3u8"))) { "m3u8" } else { "ts" };
    // It counts in whole minutes from the one in which the stretch begins.
    let minutes = (stretch.end - stretch.start.div_euclid(60) * 60 + 59).div_euclid(60).max(1);
    let beginning = clock.shows(stretch.start)?.strftime("%Y-%m-%d:%H-%M");
    Some(format!("{base}/timeshift/{user}/{password}/{minutes}/{beginning}/{id}.{ending}"))
}

/// The address of an archive of a Flussonic server.
fn flussonic(path: &str, mode: &str, stretch: Stretch) -> Option<String> {
    let (folder, file) = path.rsplit_once('/')?;
    let ago = (stretch.now - stretch.start).max(0);
    let ts = || format!("{folder}/timeshift_abs-{}.ts", stretch.start);
    Some(match file {
        "mpegts" => ts(),
        "index.m3u8" => format!("{folder}/timeshift_rel-{ago}.m3u8"),
        _ if matches!(mode, "fs" | "flussonic-ts") => ts(),
        _ => match file.strip_suffix(".m3u8") {
            // The list of one rendition, such as `mono.m3u8`.
            Some(rendition) => format!("{folder}/{rendition}-timeshift_rel-{ago}.m3u8"),
            None => format!("{folder}/timeshift_rel-{ago}.m3u8"),
        },
    })
}

/// What fills the gaps of a template.
struct Template<'a> {
    stretch: Stretch,
    clock: &'a Clock,
}

impl Template<'_> {
    /// The text with its gaps filled; `None` where one stands for what only a guide could say.
    fn fill(&self, text: &str) -> Option<String> {
        let (mut out, mut rest) = (String::with_capacity(text.len() + 32), text);
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((gap, after)) = behind.split_once('}') else { break };
            if gap == "catchup-id" {
                return None;
            }
            if let Some(value) = self.value(gap) {
                out.push_str(before.strip_suffix('$').unwrap_or(before));
                out.push_str(&value);
            } else {
                // It means something to the provider alone.
                out.push_str(before);
                out.push('{');
                out.push_str(gap);
                out.push('}');
            }
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    }

    fn value(&self, gap: &str) -> Option<String> {
        let Stretch { start, end, now } = self.stretch;
        if let Some(java) = gap.strip_prefix('(') {
            let (which, pattern) = java.split_once(')')?;
            return self.in_words(if which == "e" { end } else { start }, pattern);
        }
        let (name, how) = gap.split_once(':').map_or((gap, None), |(name, how)| (name, Some(how)));
        let moment = match name {
            "utc" | "start" => Some(start),
            "utcend" | "end" => Some(end),
            "lutc" | "now" | "timestamp" => Some(now),
            _ => None,
        };
        let length = match name {
            "duration" => Some(end - start),
            "offset" => Some((now - start).max(0)),
            _ => None,
        };
        match (moment, length, how) {
            (Some(moment), _, None) => Some(moment.to_string()),
            (Some(moment), _, Some(letters)) => {
                letters.chars().map(|letter| self.letter(moment, letter)).collect()
            }
            (_, Some(length), None) => Some(length.to_string()),
            (_, Some(length), Some(unit)) => {
                let unit = unit.parse().ok().filter(|unit: &i64| *unit > 0)?;
                Some((length / unit).to_string())
            }
            (None, None, None) if name.len() == 1 => self.letter(start, name.chars().next()?),
            _ => None,
        }
    }

    /// What a letter of `strftime` stands for; other characters stand for themselves.
    fn letter(&self, moment: i64, letter: char) -> Option<String> {
        let at = self.clock.shows(moment)?;
        Some(match letter {
            'Y' => format!("{:04}", at.year()),
            'm' => format!("{:02}", at.month()),
            'd' => format!("{:02}", at.day()),
            'H' => format!("{:02}", at.hour()),
            'M' => format!("{:02}", at.minute()),
            'S' => format!("{:02}", at.second()),
            letter if letter.is_ascii_alphanumeric() => return None,
            other => other.to_string(),
        })
    }

    /// A moment in the words of Java, as Chinese players have them: `yyyyMMddHHmmss`, `|UTC` behind
    /// it for the other clock.
    fn in_words(&self, moment: i64, pattern: &str) -> Option<String> {
        let (pattern, utc) =
            pattern.strip_suffix("|UTC").map_or((pattern, None), |it| (it, Some(Clock::default())));
        let words = Template { stretch: self.stretch, clock: utc.as_ref().unwrap_or(self.clock) };
        let mut text = pattern.to_owned();
        for (word, letter) in [("yyyy", 'Y'), ("MM", 'm'), ("dd", 'd'), ("HH", 'H'), ("mm", 'M'), ("ss", 'S')]
        {
            text = text.replace(word, &words.letter(moment, letter)?);
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-31 18:30:20 UTC, for an hour.
    const STRETCH: Stretch = Stretch { start: 1_769_884_220, end: 1_769_887_820, now: 1_769_970_620 };

    fn clock(time_zone: &str, offset: Option<i32>) -> Clock {
        Clock { time_zone: time_zone.to_owned(), offset }
    }

    fn address(mode: &str, source: &str, live: &str, clock: &Clock) -> Option<String> {
        Catchup { mode, source, days: None, correction: None }.address(live, STRETCH, clock)
    }

    #[test]
    fn the_ways_of_kodi() {
        let utc = Clock::default();
        for (mode, source, live, expected) in [
            ("default", "http://a/?s={utc}&e=${end}", "http://h/1", "http://a/?s=1769884220&e=1769887820"),
            ("default", "http://a/${timestamp}/{duration:60}", "http://h/1", "http://a/1769970620/60"),
            ("default", "http://a/{Y}-{m}-{d}/{H}{M}{S}", "http://h/1", "http://a/2026-01-31/183020"),
            ("append", "?ago=${offset}&h={offset:3600}", "http://h/1", "http://h/1?ago=86400&h=24"),
            (
                "append",
                "&seek={utc:YmdHMS}-{utcend:YmdHMS}",
                "http://h/1?a",
                "http://h/1?a&seek=20260131183020-20260131193020",
            ),
            (
                "append",
                "?b=${(b)yyyyMMddHHmmss}&e=${(e)HH:mm|UTC}",
                "http://h/1",
                "http://h/1?b=20260131183020&e=19:30",
            ),
            // The mode is wrong, or has another name.
            ("append", "", "http://h/1", ""),
            ("default", "?utc={utc}", "http://h/1", "http://h/1?utc=1769884220"),
            ("archive", "http://a/{utc}", "http://h/1", "http://a/1769884220"),
            ("vod", "http://a/{catchup-id}", "http://h/1", ""),
            ("default", "http://a/{token}/${utc}/{", "http://h/1", "http://a/{token}/1769884220/{"),
            ("shift", "", "http://h/1.ts", "http://h/1.ts?utc=1769884220&lutc=1769970620"),
            ("shift", "ignored", "http://h/1.m3u8?a=b", "http://h/1.m3u8?a=b&utc=1769884220&lutc=1769970620"),
            ("flussonic", "", "http://h/c/mpegts?t=1", "http://h/c/timeshift_abs-1769884220.ts?t=1"),
            ("flussonic", "", "http://h/c/index.m3u8", "http://h/c/timeshift_rel-86400.m3u8"),
            ("flussonic-hls", "", "http://h/c/mono.m3u8", "http://h/c/mono-timeshift_rel-86400.m3u8"),
            ("fs", "", "http://h/c/video", "http://h/c/timeshift_abs-1769884220.ts"),
            ("flussonic", "", "http://h/c/video", "http://h/c/timeshift_rel-86400.m3u8"),
            (
                "XC",
                "",
                "http://h:80/live/u/p/17.ts?x",
                "http://h:80/timeshift/u/p/61/2026-01-31:18-30/17.ts?x",
            ),
            (
                "xc",
                "",
                "http://h/sub/live/u/p/17.m3u8",
                "http://h/sub/timeshift/u/p/61/2026-01-31:18-30/17.m3u8",
            ),
            ("xc", "", "http://h/u/p/17", "http://h/timeshift/u/p/61/2026-01-31:18-30/17.ts"),
            ("xc", "", "http://h/hls/17.m3u8", ""),
            ("xc", "", "http://h/movie/u/p/17.mkv", ""),
        ] {
            let expected = Some(expected.to_owned()).filter(|it| !it.is_empty());
            assert_eq!(address(mode, source, live, &utc), expected, "{mode} {source} {live}");
        }
    }

    #[test]
    fn rule_18_a_panel_is_asked_by_its_own_clock_and_across_its_changes() {
        let panel = |clock: &Clock, at: &str| {
            let start = at.parse::<Timestamp>().unwrap().as_second();
            let stretch = Stretch { start, end: start + 3600, now: start + 86_400 };
            let catchup = Catchup { mode: "xc", source: "", days: None, correction: None };
            let address = catchup.address("http://h/live/u/p/1.ts", stretch, clock).unwrap();
            let beginning = address.strip_prefix("http://h/timeshift/u/p/60/").unwrap();
            beginning.strip_suffix("/1.ts").unwrap().to_owned()
        };
        let toronto = clock("America/Toronto", Some(-14_400));
        for (at, expected) in [
            ("2026-01-31T18:30:00Z", "2026-01-31:13-30"),
            // Around 2026-03-08 02:00 there, when it becomes 03:00.
            ("2026-03-08T06:30:00Z", "2026-03-08:01-30"),
            ("2026-03-08T07:30:00Z", "2026-03-08:03-30"),
            // And back, when the same hour comes twice.
            ("2026-11-01T05:30:00Z", "2026-11-01:01-30"),
            ("2026-11-01T06:30:00Z", "2026-11-01:01-30"),
            ("2026-11-01T07:30:00Z", "2026-11-01:02-30"),
        ] {
            assert_eq!(panel(&toronto, at), expected, "{at}");
        }
        let at = "2026-01-31T18:30:00Z";
        assert_eq!(
            panel(&clock("Europe/Lummerland", Some(20_700)), at),
            "2026-02-01:00-15",
            "by its distance"
        );
        assert_eq!(panel(&clock("", None), at), "2026-01-31:18-30");
        let words = address("append", "?at={utc:Y-m-d H:M}&utc={utc}", "http://h/1", &toronto);
        assert_eq!(words.as_deref(), Some("http://h/1?at=2026-01-31 13:30&utc=1769884220"));
    }

    fn archive(mode: &str, source: &str, live: &str) -> Option<ProviderArchive> {
        let catchup = Catchup { mode, source, days: Some("3"), correction: None };
        ProviderArchive::new(&catchup, live, Clock::default())
    }

    #[test]
    fn there_is_an_archive_only_where_an_address_can_be_made() {
        for (mode, source, live, is_there) in [
            ("xc", "", "http://h/live/u/p/1.ts", true),
            ("xc", "", "http://h/hls/1.m3u8", false),
            ("append", "?utc={utc}", "http://h/1", true),
            ("append", "", "http://h/1", false),
            ("vod", "http://h/{catchup-id}", "http://h/1", false),
            ("default", "HTTPS://a/{utc}", "http://h/1", true),
            ("default", "file:///etc/{utc}", "http://h/1", false),
            ("shift", "", "udp://@239.0.0.1:1234", false),
        ] {
            assert_eq!(archive(mode, source, live).is_some(), is_there, "{mode} {source} {live}");
        }
        let live = "http://h/1";
        let with_options = archive("default", "http://a/{utc}|User-Agent=x", live).unwrap();
        assert_eq!(with_options.address(live, STRETCH).as_deref(), Some("http://a/1769884220"));
        let text = format!("{:?}", archive("default", "http://joe:secret@a/{utc}", live));
        assert!(!text.contains("secret") && !text.contains("joe"), "{text}");
    }

    #[test]
    fn an_archive_knows_how_far_it_reaches_and_whether_it_ends() {
        let found = archive("shift", "", "http://h/1").unwrap();
        let reaches = |start| found.reaches(Stretch { start, end: start + 60, now: 100 * DAY });
        let expected = [(95, false), (96, true), (99, true), (100, false), (101, false)];
        assert_eq!(expected.map(|(day, _)| (day, reaches(day * DAY))), expected);
        for (mode, source, live, is_bounded) in [
            ("xc", "", "http://h/live/u/p/1.ts", true),
            ("append", "?utc={utc}&duration={duration}", "http://h/1", true),
            ("append", "?utc={utc}&lutc={lutc}", "http://h/1", false),
            ("shift", "", "http://h/1", false),
            ("flussonic", "", "http://h/1/mpegts", false),
        ] {
            let found = archive(mode, source, live).unwrap();
            assert_eq!(found.is_bounded(live), is_bounded, "{mode} {source}");
        }
    }

    #[test]
    fn days_and_corrections() {
        for (days, expected) in
            [(None, 1), (Some("7"), 7), (Some("0.5"), 1), (Some("1000"), 60), (Some("-1"), 1), (Some("x"), 1)]
        {
            let catchup = Catchup { mode: "shift", source: "", days, correction: None };
            assert_eq!(catchup.days(), expected, "{days:?}");
        }
        let corrected =
            Catchup { mode: "append", source: "?{utc}-{utcend}", days: None, correction: Some("-1.5") };
        let address = corrected.address("http://h/1", STRETCH, &Clock::default());
        assert_eq!(address.as_deref(), Some("http://h/1?1769878820-1769882420"));
    }
}
