//! What a broadcast answers to a request.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::fault::{Fault, faulty};
use super::playlist::{self, PARTS, SIGNATURE, Wish};
use super::session;
use super::settings::{Container, Gzip, KeyForm, SegmentTokens, Uris};
use super::state::{Segment, State, key_of};
use super::stats::Counted;
use crate::origin::faults::PAGE;
use crate::origin::{Behaviour, Request};
use crate::ts::PACKET_SIZE;

/// Where a broadcast is served.
#[derive(Debug)]
pub(super) struct Place {
    /// `/live`
    pub(super) folder: String,
    /// `http://…/live`
    pub(super) base: String,
}

/// The folder to which redirects lead.
const NODE: &str = "node/";

/// What to do with a request, and what it counts as.
pub(super) fn answer(state: &mut State, place: &Place, request: &Request) -> (Behaviour, Counted) {
    let (behaviour, counted) = route(state, place, request);
    let is_playlist = request.path.split('?').next().is_some_and(|path| path.ends_with("/index.m3u8"));
    let delay = state.hls.delay + if is_playlist { state.hls.playlist_delay } else { Duration::ZERO };
    let behaviour = if delay.is_zero() { behaviour } else { behaviour.answer_after(delay) };
    (behaviour.header("Access-Control-Allow-Origin", "*").header("Cache-Control", "no-cache"), counted)
}

fn route(state: &mut State, place: &Place, request: &Request) -> (Behaviour, Counted) {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let name = path.strip_prefix(&place.folder).unwrap_or(path).trim_start_matches('/');
    let (is_node, name) = name.strip_prefix(NODE).map_or((false, name), |name| (true, name));
    let parameter = |wanted: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == wanted)
            .map(|(_, value)| value)
    };
    let token = parameter("token");
    let has_token = token.is_some_and(|token| state.accepts_token(token));
    let forbidden = |name: &str| {
        (
            Behaviour::status(403, "text/plain", "the token, the cookie or the query is not right\n"),
            Counted::Forbidden(name.into()),
        )
    };
    if let Some(path) = name.strip_prefix(session::FOLDER) {
        let Some((session, name)) = state.session(path).filter(|(session, _)| !session.is_over()) else {
            return forbidden(path);
        };
        if name == "index.m3u8" {
            let wish = Wish { session: Some(session), ..Wish::default() };
            return playlist(state, place, &wish, request);
        }
        let number = name.strip_prefix("seg").and_then(|rest| rest.split('.').next()?.parse().ok());
        let segment = number.and_then(|number| session.segment(number));
        let name = segment.filter(|segment| *segment < state.edge()).map(|number| state.segment_name(number));
        return match name {
            Some(name) => file(state, &name, request),
            None => {
                (Behaviour::status(404, "text/plain", "there is no such file\n"), Counted::File(path.into()))
            }
        };
    }
    if name == "index.m3u8" {
        let needs_token = is_node || state.hls.token.is_some() && state.hls.redirect.is_none();
        if let Some(redirect) = state.hls.redirect.clone().filter(|_| !is_node) {
            let base = redirect.to.unwrap_or_else(|| place.folder.clone());
            let url = format!("{base}/{NODE}index.m3u8?token={}", state.issue_token());
            return (Behaviour::redirect(&url, state.hls.cookie.as_deref()), Counted::Redirect);
        }
        if needs_token && !has_token {
            return forbidden(name);
        }
        let skip = parameter("_HLS_skip").is_some();
        let wish = Wish { token: token.map(str::to_owned), skip, session: None };
        return playlist(state, place, &wish, request);
    }
    let needs_token = state.hls.segment_tokens != SegmentTokens::NotNeeded;
    let has_cookie = state.hls.cookie.as_ref().is_none_or(|cookie| {
        request.header("Cookie").is_some_and(|given| given.split(';').any(|one| one.trim() == cookie))
    });
    let has_query = state.hls.uris != Uris::WithQuery || query.contains(SIGNATURE);
    if needs_token && !has_token || !has_cookie || !has_query {
        return forbidden(name);
    }
    file(state, name, request)
}

fn playlist(state: &mut State, place: &Place, wish: &Wish, request: &Request) -> (Behaviour, Counted) {
    if let Some(status) = state.hls.playlist_status {
        return (Behaviour::status(status, "text/plain", "no playlist now\n"), Counted::Nothing);
    }
    if let Some(url) = &state.hls.playlist_redirect {
        return (Behaviour::redirect(url, None), Counted::Redirect);
    }
    if state.hls.html {
        return (Behaviour::body("text/html", PAGE), Counted::Nothing);
    }
    let text = playlist::text(state, place, wish);
    let counted = Counted::Playlist(state.version(&text));
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    if state.hls.validators && request.header("If-None-Match") == Some(&tag[..]) {
        return (Behaviour::status(304, "", "").header("ETag", &tag), counted);
    }
    let accepted = request.header("Accept-Encoding").is_some_and(|codings| codings.contains("gzip"));
    let zips = state.hls.gzip == Gzip::Always || state.hls.gzip == Gzip::WhenAccepted && accepted;
    let mut behaviour = if zips {
        Behaviour::body(&state.hls.playlist_type, gzip(text.as_bytes())).header("Content-Encoding", "gzip")
    } else {
        Behaviour::body(&state.hls.playlist_type, text)
    };
    if state.hls.gzip != Gzip::Never {
        behaviour = behaviour.header("Vary", "Accept-Encoding");
    }
    if state.hls.validators {
        behaviour = behaviour.header("ETag", &tag);
    }
    if let Some(cookie) = &state.hls.cookie {
        behaviour = behaviour.header("Set-Cookie", &format!("{cookie}; Path=/"));
    }
    (behaviour, counted)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// Anything that is not a playlist.
fn file(state: &mut State, name: &str, request: &Request) -> (Behaviour, Counted) {
    let edge = state.edge();
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let number = |prefix: &str| stem.strip_prefix(prefix).and_then(|digits| digits.parse::<usize>().ok());
    let missing = || Behaviour::status(404, "text/plain", "there is no such file\n");
    let counted = Counted::File(name.to_owned());
    let asked = range(request);
    if stem == "all" {
        let begins = |segment: &Segment| asked.is_some_and(|(from, _)| from == segment.offset);
        if let Some(found) = state.segments[..edge].iter().position(begins) {
            let counted = Counted::File(state.segment_name(found));
            return (segment(state, found, request), counted);
        }
        let whole: Vec<u8> =
            state.segments[..edge].iter().flat_map(|segment| segment.bytes.to_vec()).collect();
        return (ranged(whole, &state.segment_type(), request), counted);
    }
    let behaviour = if let Some(number) = number("seg").filter(|number| *number < edge) {
        segment(state, number, request)
    } else if let Some(number) = number("part").filter(|number| *number <= edge) {
        match extension.split('.').next().and_then(|part| part.parse().ok()).filter(|part| *part < PARTS) {
            Some(part) => {
                ranged(part_of(&state.segments[number].bytes, part).to_vec(), &state.segment_type(), request)
            }
            None => missing(),
        }
    } else if let Some(init) = number("init").and_then(|run| state.runs.get(run)?.init.clone()) {
        ranged(init, &state.segment_type(), request)
    } else if let Some(key) =
        number("key").filter(|_| state.segments.iter().any(|segment| segment.key.is_some()))
    {
        self::key(state.hls.key_form, key as u64)
    } else {
        missing()
    };
    (behaviour, counted)
}

fn key(form: KeyForm, number: u64) -> Behaviour {
    let key = key_of(number);
    let body = match form {
        KeyForm::Bytes => key.to_vec(),
        KeyForm::WithLineFeed => [&key[..], b"\n"].concat(),
        KeyForm::Hex => format!("{:032x}", u128::from_be_bytes(key)).into_bytes(),
        KeyForm::Html => return Behaviour::body("text/html", PAGE),
    };
    Behaviour::body("application/octet-stream", body)
}

fn segment(state: &mut State, number: usize, request: &Request) -> Behaviour {
    let tries = state.tries.entry(number as u64).or_default();
    *tries += 1;
    let tries = *tries;
    let mut bytes = state.segments[number].bytes.to_vec();
    let content_type = state.segment_type();
    if state.hls.byte_ranges {
        let offset = state.segments[number].offset;
        if let Some((from, Some(to))) = range(request) {
            bytes.truncate(to + 1 - from);
        }
        let extent = format!("bytes {offset}-{}/*", offset + bytes.len() - 1);
        return faulty(state, number, tries, Behaviour::status(206, &content_type, bytes.clone()), &bytes)
            .header("Content-Range", &extent);
    }
    let answer = ranged(bytes.clone(), &content_type, request);
    faulty(state, number, tries, answer, &bytes)
}

/// The body, or the range of it that was asked for.
fn ranged(bytes: Vec<u8>, content_type: &str, request: &Request) -> Behaviour {
    let length = bytes.len();
    let suffix =
        request.header("Range").and_then(|range| range.strip_prefix("bytes=-")?.parse::<usize>().ok());
    let asked = suffix.map(|count| (length.saturating_sub(count), None)).or_else(|| range(request));
    let Some((from, to)) = asked else {
        return Behaviour::body(content_type, bytes).header("Accept-Ranges", "bytes");
    };
    let to = to.unwrap_or(usize::MAX).min(length - 1);
    if from > to {
        return Behaviour::status(416, "", "").header("Content-Range", &format!("bytes */{length}"));
    }
    Behaviour::status(206, content_type, &bytes[from..=to])
        .header("Content-Range", &format!("bytes {from}-{to}/{length}"))
}

/// The first and the last byte that are asked for; nothing of any other form of a range.
fn range(request: &Request) -> Option<(usize, Option<usize>)> {
    let (from, to) = request.header("Range")?.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()))
}

/// A part of a segment in whole packets.
fn part_of(bytes: &[u8], part: usize) -> &[u8] {
    let packets = bytes.len() / PACKET_SIZE;
    let at = |part: usize| if part == PARTS { bytes.len() } else { packets * part / PARTS * PACKET_SIZE };
    &bytes[at(part)..at(part + 1)]
}

impl State {
    /// Extension of its segments.
    pub(super) fn extension(&self) -> &'static str {
        match self.hls.container {
            Container::Ts => "ts",
            Container::Fmp4 | Container::Fmp4Video | Container::Fmp4Audio => "m4s",
            Container::PackedAudio => self.sound().0,
        }
    }

    /// The name of a segment.
    pub(super) fn segment_name(&self, number: usize) -> String {
        let is_png = self.hls.fault_of(number as u64) == Some(Fault::Png);
        let mut name = format!("seg{}", self.segments[number].file);
        write!(name, ".{}", if is_png { "png" } else { self.extension() })
            .expect("a string takes everything");
        name
    }

    pub(super) fn segment_type(&self) -> String {
        let usual = match self.hls.container {
            Container::Ts => "video/mp2t",
            Container::Fmp4 | Container::Fmp4Video => "video/mp4",
            Container::Fmp4Audio => "audio/mp4",
            Container::PackedAudio => self.sound().1,
        };
        self.hls.segment_type.clone().unwrap_or_else(|| usual.into())
    }

    /// Extension and content type of packed audio.
    fn sound(&self) -> (&'static str, &'static str) {
        let stream_type =
            self.hls.clip.streams().iter().find(|stream| stream.is_audio()).map(|audio| audio.stream_type);
        match stream_type {
            Some(0x03 | 0x04) => ("mp3", "audio/mpeg"),
            Some(0x81) => ("ac3", "audio/ac3"),
            _ => ("aac", "audio/aac"),
        }
    }
}
