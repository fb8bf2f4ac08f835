//! Follows a playlist.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use url::Url;

use super::media::Media;
use super::playlist::{Playlist, Segment};
use super::rules::{Rules, check_next, check_one};
use crate::client::{Answer, Request};

/// Redirects that are followed, one after the other.
const HOPS: usize = 5;

/// How often the list is asked for: often enough to see each of its states, and no more often than this.
const POLL: Duration = Duration::from_millis(200);

/// How late news may be because of the judge itself, on a busy machine.
const SLACK: Duration = Duration::from_millis(500);

/// Most faults that are kept: a list that is wrong each time it is asked for says the same each time.
const MOST_FAULTS: usize = 100;

/// Follows a media playlist (or the first variant of a multivariant one) and fetches every segment once.
#[derive(Debug)]
pub struct Follower {
    url: Url,
    rules: Rules,
    list: Option<Playlist>,
    media: Media,
    report: Report,
    /// Segments that are or were listed.
    known: BTreeMap<u64, Known>,
    /// When the list last grew, as far as that is known.
    grew_at: Option<Instant>,
    /// The longest list so far.
    longest: Duration,
}

#[derive(Debug)]
struct Known {
    url: Url,
    duration: Duration,
    bytes: usize,
    removed_at: Option<Instant>,
}

/// What a [`Follower`] saw.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Everything that is wrong, one sentence each.
    pub faults: Vec<String>,
    /// How often the playlist was fetched.
    pub polls: usize,
    /// How often it had changed.
    pub changes: usize,
    /// Segments fetched.
    pub segments: usize,
    /// Their stated durations.
    pub media: Duration,
    /// Discontinuities before them.
    pub discontinuities: usize,
    /// The first and the last media sequence number that were listed.
    pub numbers: Option<(u64, u64)>,
    /// EXT-X-TARGETDURATION in seconds.
    pub target: u64,
    /// Removed segments that were fetched again.
    pub removed: usize,
}

impl Report {
    /// Panics with the faults and the whole report unless all was well and something came.
    pub fn assert_clean(&self) {
        assert!(self.faults.is_empty() && self.segments > 0, "the HLS has faults: {self:#?}");
    }
}

impl Follower {
    /// Will follow this `http` URL on a loopback address.
    pub fn new(url: &str) -> Self {
        Self::with_rules(url, Rules::default())
    }

    /// As [`Follower::new`] with other rules.
    pub fn with_rules(url: &str, rules: Rules) -> Self {
        Self {
            url: read_url(url),
            rules,
            list: None,
            media: Media::default(),
            report: Report::default(),
            known: BTreeMap::new(),
            grew_at: None,
            longest: Duration::ZERO,
        }
    }

    /// Follows it for so long, with all checks of what comes.
    pub async fn watch(&mut self, span: Duration) {
        let until = Instant::now() + span;
        while Instant::now() < until {
            self.poll().await;
            sleep(POLL).await;
        }
    }

    /// Follows it until so many more segments came.
    ///
    /// # Panics
    /// If that takes longer than `limit`.
    pub async fn watch_segments(&mut self, count: usize, limit: Duration) {
        let (until, wanted) = (Instant::now() + limit, self.report.segments + count);
        while self.report.segments < wanted {
            assert!(Instant::now() < until, "no {count} segments within {limit:?}: {:#?}", self.report);
            self.poll().await;
            sleep(POLL).await;
        }
    }

    /// Goes on at this URL after a pause, as after a restart of the server. What was published before has to fit, but
    /// nothing is said of how long the pause may be.
    pub fn resume_at(&mut self, url: &str) {
        self.url = read_url(url);
        self.grew_at = None;
    }

    /// Fetches the segments again that left the list so short a time ago that they have to be there still: for their
    /// own duration and that of the longest list (RFC 8216, 6.2.2).
    pub async fn check_removed(&mut self) {
        let longest = self.longest;
        let due = |known: &&Known| {
            known.removed_at.is_some_and(|at| at.elapsed() + SLACK < known.duration + longest)
        };
        let due: Vec<(Url, usize)> =
            self.known.values().filter(due).map(|known| (known.url.clone(), known.bytes)).collect();
        for (url, bytes) in due {
            self.report.removed += 1;
            match get(&url).await {
                Ok((answer, _)) if answer.status == 200 && answer.body.len() == bytes => {}
                Ok((answer, _)) => {
                    let Answer { status, body, .. } = answer;
                    self.fault(format!(
                        "{} left the list and is {status} with {} bytes",
                        url.path(),
                        body.len()
                    ));
                }
                Err(error) => self.fault(format!("{} left the list: {error}", url.path())),
            }
        }
    }

    /// What was seen, after the checks that need all of it.
    pub fn finish(mut self) -> Report {
        let mut faults = Vec::new();
        self.media.end(&self.rules, &mut faults);
        self.faults(faults);
        self.report
    }

    /// The playlist as it was last seen.
    pub fn playlist(&self) -> Option<&Playlist> {
        self.list.as_ref()
    }

    /// What was seen so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    fn fault(&mut self, fault: String) {
        if self.report.faults.len() < MOST_FAULTS && !self.report.faults.contains(&fault) {
            self.report.faults.push(fault);
        }
    }

    fn faults(&mut self, faults: Vec<String>) {
        for fault in faults {
            self.fault(fault);
        }
    }

    async fn poll(&mut self) {
        self.report.polls += 1;
        let (mut answer, mut base) = match get(&self.url).await {
            Ok(answer) => answer,
            Err(error) => return self.fault(format!("the playlist cannot be had: {error}")),
        };
        if let Some(variant) = first_variant(&answer.body) {
            let url = base.join(&variant).unwrap_or_else(|error| panic!("{variant} is no URI: {error}"));
            (answer, base) = match get(&url).await {
                Ok(answer) => answer,
                Err(error) => return self.fault(format!("the variant cannot be had: {error}")),
            };
        }
        if answer.status != 200 {
            return self.fault(format!("the playlist is {}: {}", answer.status, answer.text()));
        }
        let mut faults = Vec::new();
        let content_type = answer.header("content-type").unwrap_or_default();
        if !["application/vnd.apple.mpegurl", "audio/mpegurl"].contains(&content_type) {
            faults.push(format!("Content-Type of the playlist is {content_type:?}"));
        }
        if self.rules.cors && answer.header("access-control-allow-origin").is_none() {
            faults.push("the playlist has no Access-Control-Allow-Origin".into());
        }
        let list = Playlist::read(&answer.body, &mut faults);
        check_one(&list, &self.rules, &mut faults);
        if let Some(before) = &self.list {
            check_next(before, &list, &self.rules, &mut faults);
        }
        self.publication(&list, &mut faults);
        self.faults(faults);
        self.fetch_new(&list, &base).await;
        self.note(list);
    }

    /// Looks at when the list grew.
    fn publication(&mut self, list: &Playlist, faults: &mut Vec<String>) {
        let newest = |list: &Playlist| list.segments.last().map(|segment| segment.number);
        let grew = self.list.as_ref().is_none_or(|before| newest(before) != newest(list));
        let now = Instant::now();
        if let Some(at) = self.grew_at.filter(|_| !list.ended) {
            let limit = Duration::from_secs(list.target).mul_f64(self.rules.publication) + POLL + SLACK;
            let waited = now - at;
            if waited > limit {
                let target = list.target;
                faults.push(format!("no new segment for {limit:?} at a target duration of {target} s"));
            }
        }
        // The first list was there before it was asked for.
        if grew && self.list.is_some() || self.list.is_some() && self.grew_at.is_none() {
            self.grew_at = Some(now);
        }
    }

    async fn fetch_new(&mut self, list: &Playlist, base: &Url) {
        for segment in list.segments.iter().filter(|segment| !segment.gap) {
            if self.known.contains_key(&segment.number) {
                continue;
            }
            let url =
                base.join(&segment.uri).unwrap_or_else(|error| panic!("{} is no URI: {error}", segment.uri));
            let mut faults = Vec::new();
            let bytes = self.fetch(segment, &url, &mut faults).await;
            self.faults(faults);
            let known = Known { url, duration: segment.duration, bytes, removed_at: None };
            self.known.insert(segment.number, known);
        }
    }

    /// Fetches a segment and looks at it; returns its length.
    async fn fetch(&mut self, segment: &Segment, url: &Url, faults: &mut Vec<String>) -> usize {
        let number = segment.number;
        let answer = match get(url).await {
            Ok((answer, _)) => answer,
            Err(error) => {
                faults.push(format!("segment {number} cannot be had whole: {error}"));
                return 0;
            }
        };
        if answer.status != 200 {
            faults.push(format!("segment {number} is {}", answer.status));
            return 0;
        }
        if answer.header("content-length").is_none() {
            faults.push(format!("segment {number} has no Content-Length"));
        }
        let content_type = answer.header("content-type").unwrap_or_default();
        if content_type != self.rules.segment_type {
            faults.push(format!("Content-Type of segment {number} is {content_type:?}"));
        }
        if self.rules.cors && answer.header("access-control-allow-origin").is_none() {
            faults.push(format!("segment {number} has no Access-Control-Allow-Origin"));
        }
        self.report.segments += 1;
        self.report.media += segment.duration;
        self.report.discontinuities += usize::from(segment.discontinuity);
        self.media.push(segment, &answer.body, &self.rules, faults);
        answer.body.len()
    }

    fn note(&mut self, list: Playlist) {
        for (_, known) in self.known.range_mut(..list.sequence) {
            known.removed_at.get_or_insert_with(Instant::now);
        }
        self.longest = self.longest.max(list.duration());
        self.report.target = list.target;
        if let (Some(first), Some(last)) = (list.segments.first(), list.segments.last()) {
            let (first, _) = self.report.numbers.unwrap_or((first.number, 0));
            self.report.numbers = Some((first, last.number));
        }
        if self.list.as_ref() != Some(&list) {
            self.report.changes += 1;
        }
        self.list = Some(list);
    }
}

fn read_url(url: &str) -> Url {
    url.parse().unwrap_or_else(|error| panic!("{url} is no URL: {error}"))
}

/// The URI of the first variant, if this is a multivariant playlist.
fn first_variant(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let mut lines = text.lines().skip_while(|line| !line.starts_with("#EXT-X-STREAM-INF:")).skip(1);
    lines.find(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned)
}

/// What is asked of a server on this machine.
pub(super) fn request(method: &str, url: &Url) -> Request {
    let address = url.socket_addrs(|| None).ok().and_then(|found| found.first().copied());
    let address: SocketAddr = address.unwrap_or_else(|| panic!("{url} has no address"));
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Request::new(method, address, &format!("{}{query}", url.path()))
}

/// Gets a URL and follows redirects; returns where the answer came from too.
pub(super) async fn get(url: &Url) -> io::Result<(Answer, Url)> {
    let mut url = url.clone();
    for _ in 0..HOPS {
        let answer = request("GET", &url).send().await?;
        match answer.header("location").filter(|_| matches!(answer.status, 301 | 302 | 303 | 307 | 308)) {
            Some(to) => url = url.join(to).map_err(io::Error::other)?,
            None => return Ok((answer, url)),
        }
    }
    Err(io::Error::other(format!("more than {HOPS} redirects")))
}
