//! The course of a broadcast: which segments there are, and which of them are due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aes::Aes128;
use cbc::Encryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use jiff::Timestamp;

use super::breaks::{Turns, media_of};
use super::media::Media;
use super::session::Session;
use super::settings::{Encryption, Hls, Iv};
use crate::clip::Clip;
use crate::origin::behaviour::ticks_90k;

/// How far a restarted encoder's time stamps are from those before, in 90 kHz ticks: two hours.
const RESTART_SHIFT_90K: u64 = 2 * 3600 * 90_000;

/// One broadcast.
#[derive(Debug)]
pub(super) struct State {
    pub(super) hls: Hls,
    began: Instant,
    /// The time of day at the beginning of segment 0.
    pub(super) epoch: Timestamp,
    /// Media that was there at the beginning or was skipped since, in 90 kHz ticks.
    ahead_90k: u64,
    /// Where the edge is held.
    held_90k: Option<u64>,
    /// Where the edge was when it was last changed: it never goes back.
    reached_90k: u64,
    media: Media,
    pub(super) turns: Turns,
    /// The longest segment of any run so far, in 90 kHz ticks.
    pub(super) longest_90k: u64,
    pub(super) runs: Vec<Run>,
    /// All segments so far, and one that is not yet due.
    pub(super) segments: Vec<Segment>,
    pub(super) polls: u64,
    /// Tokens by the time of their issue.
    tokens: Vec<Instant>,
    pub(super) sessions: Vec<Session>,
    /// How often each segment was asked for.
    pub(super) tries: BTreeMap<u64, usize>,
    /// Versions of the media playlist so far, and the text of the last.
    versions: usize,
    last_text: String,
}

/// Segments that belong together.
#[derive(Debug)]
pub(super) struct Run {
    /// Its first segment.
    pub(super) from: usize,
    /// The media sequence number of its first segment.
    sequence: u64,
    /// Whether nothing older is listed.
    pub(super) is_restart: bool,
    pub(super) init: Option<Vec<u8>>,
}

/// One segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) run: usize,
    pub(super) sequence: u64,
    pub(super) begin_90k: u64,
    pub(super) length_90k: u64,
    clear: Arc<Vec<u8>>,
    /// As it is sent.
    pub(super) bytes: Arc<Vec<u8>>,
    /// Where it begins in the resource of all segments.
    pub(super) offset: usize,
    /// The number of its key.
    pub(super) key: Option<u64>,
    /// The number in its name: its own, or that of an earlier one with the same media.
    pub(super) file: usize,
}

impl Segment {
    pub(super) fn end_90k(&self) -> u64 {
        self.begin_90k + self.length_90k
    }
}

impl State {
    pub(super) fn new(hls: Hls) -> Self {
        let media = media_of(&hls, false);
        let init = media.init().map(<[u8]>::to_vec);
        let first = Run { from: 0, sequence: hls.first_sequence, is_restart: false, init };
        let begins_with = hls.begins_with.min(hls.window);
        let mut state = Self {
            began: Instant::now(),
            epoch: Timestamp::now(),
            ahead_90k: 0,
            held_90k: None,
            reached_90k: 0,
            longest_90k: media.longest_90k(hls.segment),
            media,
            turns: Turns::default(),
            hls,
            runs: vec![first],
            segments: Vec::new(),
            polls: 0,
            tokens: Vec::new(),
            sessions: Vec::new(),
            tries: BTreeMap::new(),
            versions: 0,
            last_text: String::new(),
        };
        for _ in 0..=begins_with {
            state.produce();
        }
        state.ahead_90k = state.segments[begins_with].begin_90k;
        if let Some(span) = state.hls.on_air_for {
            state.ahead_90k = ticks_90k(span);
        }
        state.epoch -= Duration::from_nanos(state.ahead_90k * 100_000 / 9);
        state.ahead_90k = state.ahead_90k.saturating_sub(ticks_90k(state.hls.late));
        state.edge();
        state.held_90k = state.hls.frozen.then_some(state.ahead_90k);
        state
    }

    /// The media that is due by now, in 90 kHz ticks.
    fn due_90k(&self) -> u64 {
        let running = ticks_90k(self.began.elapsed().mul_f64(self.hls.speed)) + self.ahead_90k;
        self.held_90k.unwrap_or_else(|| running.max(self.reached_90k))
    }

    /// How many segments are due. They are cut by now, and so is the one after them.
    pub(super) fn edge(&mut self) -> usize {
        let due = self.due_90k();
        while self.segments.last().is_none_or(|last| last.end_90k() <= due) {
            self.produce();
        }
        self.segments.partition_point(|segment| segment.end_90k() <= due)
    }

    /// The part of the segment after the edge that is due, from 0 to 1.
    pub(super) fn share_of_next(&mut self) -> f64 {
        let edge = self.edge();
        let (next, due) = (&self.segments[edge], self.due_90k());
        #[expect(clippy::cast_precision_loss, reason = "a share of a few seconds")]
        let share = due.saturating_sub(next.begin_90k) as f64 / next.length_90k as f64;
        share
    }

    pub(super) fn change(&mut self, change: impl FnOnce(Hls) -> Hls) {
        let due = self.due_90k();
        let (speed, late) = (self.hls.speed, self.hls.late);
        self.hls = change(self.hls.clone());
        // Media that is listed stays listed, and the next comes so much later or sooner.
        self.ahead_90k = (self.ahead_90k + ticks_90k(late)).saturating_sub(ticks_90k(self.hls.late));
        self.reached_90k = due;
        if (self.hls.speed - speed).abs() > f64::EPSILON {
            let began = Instant::now();
            self.ahead_90k += ticks_90k((began - self.began).mul_f64(speed));
            self.began = began;
        }
        // Who thaws is where it would be without the frost.
        self.held_90k = self.hls.frozen.then_some(due);
    }

    pub(super) fn skip(&mut self, segments: usize) {
        let edge = self.edge();
        while self.segments.len() <= edge + segments {
            self.produce();
        }
        let skipped = self.segments[edge + segments].begin_90k - self.segments[edge].begin_90k;
        self.ahead_90k += skipped;
        if let Some(held) = &mut self.held_90k {
            *held += skipped;
        }
    }

    pub(super) fn restart_encoder(&mut self) {
        let edge = self.edge();
        self.segments.truncate(edge);
        let shift_90k = self.runs.len() as u64 * RESTART_SHIFT_90K;
        self.begin_run(self.hls.clip.clone(), shift_90k, true);
    }

    pub(super) fn splice(&mut self, clip: Arc<Clip>) {
        let edge = self.edge();
        self.segments.truncate(edge);
        self.begin_run(clip, 0, false);
    }

    fn begin_run(&mut self, clip: Arc<Clip>, shift_90k: u64, is_restart: bool) {
        let from = self.segments.len();
        let sequence = if is_restart { 0 } else { self.next_sequence() };
        self.hls.clip = clip;
        self.media = Media::new(&self.hls, shift_90k);
        self.longest_90k = self.longest_90k.max(self.media.longest_90k(self.hls.segment));
        let init = self.media.init().map(<[u8]>::to_vec);
        self.runs.push(Run { from, sequence, is_restart, init });
    }

    /// Another part begins behind a discontinuity; what came before it.
    pub(super) fn begin_part(&mut self, media: Media) -> Media {
        let (from, sequence) = (self.segments.len(), self.next_sequence());
        let init = media.init().map(<[u8]>::to_vec);
        self.runs.push(Run { from, sequence, is_restart: false, init });
        std::mem::replace(&mut self.media, media)
    }

    fn next_sequence(&self) -> u64 {
        let run = self.runs.last().expect("there is a first run");
        run.sequence + (self.segments.len() - run.from) as u64
    }

    /// Cuts one more segment.
    fn produce(&mut self) {
        let number = self.segments.len() as u64;
        if let Some(at) = self.hls.splices.iter().position(|(at, _)| *at == number) {
            let (_, clip) = self.hls.splices.remove(at);
            self.begin_run(clip, 0, false);
        }
        let begin_90k = self.take_turns();
        let (clear, length_90k) = self.media.cut(self.hls.segment);
        let sequence = self.next_sequence();
        let clear = Arc::new(clear);
        let (bytes, key) = match self.hls.encryption {
            Encryption::Aes128 { rotate_every, .. } => {
                let key = rotate_every.map_or(0, |every| number / every);
                let iv = iv_of(self.hls.encryption, number, sequence);
                let cipher = Encryptor::<Aes128>::new(&key_of(key).into(), &iv.into());
                (Arc::new(cipher.encrypt_padded_vec::<Pkcs7>(&clear)), Some(key))
            }
            Encryption::Clear | Encryption::SampleAes | Encryption::Widevine => (clear.clone(), None),
        };
        let (end_90k, offset) =
            self.segments.last().map_or((0, 0), |last| (last.end_90k(), last.offset + last.bytes.len()));
        let begin_90k = begin_90k.unwrap_or(end_90k);
        let file = self.turns.slate.unwrap_or(self.segments.len());
        let run = self.runs.len() - 1;
        self.segments.push(Segment { run, sequence, begin_90k, length_90k, clear, bytes, offset, key, file });
    }

    pub(super) fn clear_bytes(&mut self, segment: u64) -> Vec<u8> {
        let (number, edge) = (usize::try_from(segment).expect("a test is short"), self.edge());
        assert!(number < edge, "segment {segment} is not there yet: {edge} are");
        self.segments[number].clear.to_vec()
    }

    /// A new token.
    pub(super) fn issue_token(&mut self) -> String {
        self.tokens.push(Instant::now());
        format!("t{}", self.tokens.len() - 1)
    }

    /// Whether this token is valid now.
    pub(super) fn accepts_token(&self, token: &str) -> bool {
        let lifetime = self.hls.redirect.as_ref().map_or(Duration::ZERO, |redirect| redirect.lifetime);
        let number = token.strip_prefix('t').and_then(|number| number.parse::<usize>().ok());
        let issued = number.and_then(|number| self.tokens.get(number));
        self.hls.token.as_deref() == Some(token) || issued.is_some_and(|issued| issued.elapsed() < lifetime)
    }

    /// The number of the version of the playlist with this text.
    pub(super) fn version(&mut self, text: &str) -> usize {
        if self.versions == 0 || self.last_text != text {
            self.versions += 1;
            text.clone_into(&mut self.last_text);
        }
        self.versions - 1
    }
}

/// The 16 bytes of a key.
pub(super) fn key_of(number: u64) -> [u8; 16] {
    let mut key = *b"the key 00000000";
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The initialisation vector of a segment.
pub(super) fn iv_of(encryption: Encryption, number: u64, sequence: u64) -> [u8; 16] {
    match encryption {
        Encryption::Aes128 { iv: Iv::Explicit, .. } => (u128::from(number) << 64 | 0x1234).to_be_bytes(),
        _ => u128::from(sequence).to_be_bytes(),
    }
}
