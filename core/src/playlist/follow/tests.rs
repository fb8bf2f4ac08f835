use std::fmt::Write as _;

use super::*;
use crate::playlist::model::Variables;
use crate::playlist::parse::parse;

mod beginning;
mod dates;
mod ended;
mod keys;
mod late_sound;
mod missing;
mod numbers;
mod polling;
mod refusals;
mod sessions;
mod sound;
mod speed;
mod stalls;
mod variants;

const ENTRY: &str = "http://h/live.m3u8?token=t";

/// In place of a status: the connection fails.
const FAILS: u16 = 0;

/// What is answered at a time in milliseconds to a request for an address.
type Answers<'a, T> = Box<dyn FnMut(u64, &str) -> T + 'a>;

/// Plays the provider to a follower, with answers that come at once.
struct Provider<'a> {
    follower: Follower,
    now: u64,
    playlist: Answers<'a, Result<String, u16>>,
    segment: Answers<'a, Outcome>,
    /// How large a segment is in bytes, and how many bits a second come; they come at once without
    /// it.
    link: Option<Answers<'a, (u64, u64)>>,
    /// How often it was woken.
    wakes: u32,
    /// The media that was passed on: what stands behind the last `-` of the names of segments.
    passed: Vec<String>,
    /// What was done, each with its second and tenths.
    log: Vec<String>,
    /// The same, each with the host instead, and segments with their names.
    hosts: Vec<String>,
}

impl<'a> Provider<'a> {
    /// A provider whose answers depend on the time in milliseconds and the address.
    fn new(
        playlist: impl FnMut(u64, &str) -> Result<String, u16> + 'a,
        segment: impl FnMut(u64, &str) -> Outcome + 'a,
    ) -> Self {
        let follower = Follower::new(Moment::ZERO, Url::parse(ENTRY).unwrap(), Options::default());
        let mut provider = Self {
            follower,
            now: 0,
            playlist: Box::new(playlist),
            segment: Box::new(segment),
            link: None,
            wakes: 0,
            passed: Vec::new(),
            log: Vec::new(),
            hosts: Vec::new(),
        };
        provider.answer(Rendition::Main, ENTRY, &Variables::default());
        provider
    }

    fn answer(&mut self, of: Rendition, url: &str, inherited: &Variables) {
        let (now, body) = (Moment::from_millis(self.now), (self.playlist)(self.now, url));
        let answer = match &body {
            Ok(text) => version(url, text, inherited),
            Err(304) => Answer::NotModified,
            Err(FAILS) => Answer::Failed,
            Err(status) => Answer::Refused(*status),
        };
        self.follower.handle_playlist(now, of, answer);
    }

    /// How a segment comes over the link, which takes its time, and what comes of it then.
    fn transfer(&mut self, fetch: &Fetch, outcome: Outcome) -> (Transfer, Outcome) {
        let Some(link) = &mut self.link else { return (Transfer::default(), outcome) };
        let (bytes, rate) = link(self.now, fetch.url.as_str());
        let took = Duration::from_millis(bytes * 8_000 / rate);
        if took <= fetch.timeout {
            self.now += u64::try_from(took.as_millis()).unwrap();
            return (Transfer { bytes, took }, outcome);
        }
        let millis = u64::try_from(fetch.timeout.as_millis()).unwrap();
        self.now += millis;
        (Transfer { bytes: rate * millis / 8_000, took: fetch.timeout }, Outcome::Failed)
    }

    /// Goes on until so many milliseconds have passed, or it is over.
    fn run(&mut self, until: u64) -> &mut Self {
        while self.now <= until {
            let now = Moment::from_millis(self.now);
            let at = format!("{}.{}", self.now / 1000, self.now % 1000 / 100);
            match self.follower.poll_action(now) {
                Some(Action::FetchPlaylist { of, url, inherited, .. }) => {
                    self.log.push(format!("{at} playlist {}", url.path()));
                    self.hosts.push(format!("{at}{}", url.host_str().unwrap()));
                    self.answer(of, url.as_str(), &inherited);
                }
                Some(Action::FetchSegment(fetch)) => {
                    let mut line = format!("{at} {}", &fetch.url.path()[1..]);
                    if let Some(query) = fetch.url.query() {
                        write!(line, "?{query}").unwrap();
                    }
                    if let Some(Aes128 { url, iv }) = &fetch.key {
                        write!(line, " key={} iv={}", url.path(), iv[15]).unwrap();
                    }
                    self.hosts.push(format!("{at}{}{}", fetch.url.host_str().unwrap(), fetch.url.path()));
                    line.push_str(match (fetch.only_compares, fetch.is_discontinuous) {
                        (true, _) => " ?",
                        (false, true) => " |",
                        (false, false) => "",
                    });
                    self.log.push(line);
                    let outcome = (self.segment)(self.now, fetch.url.as_str());
                    let outcome = self.compare(&fetch, outcome);
                    let (transfer, outcome) = self.transfer(&fetch, outcome);
                    if fetch.rendition == Rendition::Main {
                        self.follower.handle_transfer(transfer);
                    }
                    self.follower.handle_segment(Moment::from_millis(self.now), fetch.rendition, outcome);
                }
                Some(Action::Pair(_)) => {}
                Some(last) => {
                    self.log.push(format!("{at} {last:?}"));
                    return self;
                }
                None => {
                    let Some(next) = self.follower.poll_timeout() else { return self };
                    let next = u64::try_from(next.elapsed().as_millis()).unwrap().max(self.now + 1);
                    if next > until {
                        return self;
                    }
                    (self.now, self.wakes) = (next, self.wakes + 1);
                    self.follower.handle_timeout(Moment::from_millis(self.now));
                }
            }
        }
        self
    }

    /// Remembers what is passed on, and compares what is not to be.
    fn compare(&mut self, fetch: &Fetch, outcome: Outcome) -> Outcome {
        let path = fetch.url.path();
        let media = path.rsplit('-').next().unwrap_or(path).to_owned();
        match outcome {
            Outcome::Done if fetch.only_compares => {
                let since = self.passed.iter().rev().position(|passed| *passed == media);
                since.map_or(Outcome::Unknown, Outcome::Known)
            }
            Outcome::Done => {
                self.passed.push(media);
                outcome
            }
            _ => outcome,
        }
    }

    /// The segments that were asked for, with `|` where they do not follow what was before; and
    /// what ended it.
    fn segments(&self) -> String {
        let others = self.log.iter().filter(|line| !line.contains(" playlist "));
        let names: Vec<&str> = others.filter_map(|line| line.split_once(' ')).map(|(_, name)| name).collect();
        names.join(" ")
    }

    /// When playlists were asked for.
    fn polls(&self) -> String {
        let polls = self.log.iter().filter_map(|line| line.split_once(" playlist "));
        polls.map(|(at, _)| at).collect::<Vec<_>>().join(" ")
    }
}

/// A version of the playlist at an address.
fn version(url: &str, text: &str, inherited: &Variables) -> Answer {
    let url = Url::parse(url).unwrap();
    let playlist = parse(text.as_bytes(), &url, inherited);
    Answer::Playlist { url, playlist, etag: None }
}

/// A playlist of these segments of 2 s, with this first number.
fn list(sequence: u64, names: impl IntoIterator<Item = u64>) -> String {
    let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n");
    names.into_iter().fold(head, |list, name| list + &format!("#EXTINF:2,\n{name}\n"))
}

/// A live window of `size` segments; a new one comes every 2 s, and 10 is the last at first.
fn live(now: u64, size: u64) -> String {
    let end = 11 + now / 2000;
    list(end - size, end - size..end)
}

fn done(_: u64, _: &str) -> Outcome {
    Outcome::Done
}
