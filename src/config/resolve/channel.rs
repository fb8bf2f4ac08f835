//! `[stream]` and `[[channels]]`.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::super::error::Place;
use super::super::file::{ChannelFile, StreamFile, Table, TypedSize};
use super::super::units::{Limits, limits_ms};
use super::super::{Channel, ChannelId, Policy};
use super::{Resolver, parse_http};

// The shortest times let tests run fast; they are of little use on a real network.
const IDLE_TIMEOUT: Limits<Duration> = limits_ms(100, 86_400_000);
const CONNECT_TIMEOUT: Limits<Duration> = limits_ms(100, 60_000);
const STALL_TIMEOUT: Limits<Duration> = limits_ms(100, 60_000);
const START_TIMEOUT: Limits<Duration> = limits_ms(100, 120_000);
const BUFFER: Limits<Duration> = limits_ms(1_000, 600_000);
/// Less does not hold one group of pictures in HD; more is a slip, for it is memory for each open channel.
const BUFFER_BYTES: Limits<u64> = Limits { min: 1 << 20, max: 4 << 30 };
const BURST: Limits<Duration> = limits_ms(100, 60_000);
const VIEWER_TIMEOUT: Limits<Duration> = limits_ms(100, 600_000);
/// Less is what playlists reach back to anyway; more is a recording.
const TIMESHIFT: Limits<Duration> = limits_ms(60_000, 7 * 86_400_000);
const TIMESHIFT_BYTES: Limits<u64> = Limits { min: 16 << 20, max: 4 << 40 };

impl Resolver<'_> {
    /// What `typed` says, over what `defaults` say.
    pub(super) fn policy(&mut self, typed: &StreamFile, defaults: Policy) -> Policy {
        let before = self.faults.len();
        let size = |bytes: &TypedSize| bytes.within(&BUFFER_BYTES);
        let mut time = |key, typed, limits, default| self.duration(key, typed, limits).unwrap_or(default);
        let policy = Policy {
            idle_timeout: time("idle_timeout", &typed.idle_timeout, &IDLE_TIMEOUT, defaults.idle_timeout),
            connect_timeout: time(
                "connect_timeout",
                &typed.connect_timeout,
                &CONNECT_TIMEOUT,
                defaults.connect_timeout,
            ),
            stall_timeout: time(
                "stall_timeout",
                &typed.stall_timeout,
                &STALL_TIMEOUT,
                defaults.stall_timeout,
            ),
            start_timeout: time(
                "start_timeout",
                &typed.start_timeout,
                &START_TIMEOUT,
                defaults.start_timeout,
            ),
            buffer: time("buffer", &typed.buffer, &BUFFER, defaults.buffer),
            burst: time("burst", &typed.burst, &BURST, defaults.burst),
            viewer_timeout: time(
                "viewer_timeout",
                &typed.viewer_timeout,
                &VIEWER_TIMEOUT,
                defaults.viewer_timeout,
            ),
            buffer_bytes: self
                .checked("buffer_bytes", typed.buffer_bytes.as_ref(), size)
                .unwrap_or(defaults.buffer_bytes),
            max_viewers: self
                .number("max_viewers", &typed.max_viewers, u32::MAX.into())
                .or(defaults.max_viewers),
            timeshift: self.duration("timeshift", &typed.timeshift, &TIMESHIFT).or(defaults.timeshift),
            timeshift_bytes: self
                .checked("timeshift_bytes", typed.timeshift_bytes.as_ref(), |bytes: &TypedSize| {
                    bytes.within(&TIMESHIFT_BYTES)
                })
                .unwrap_or(defaults.timeshift_bytes),
            hls: defaults.hls,
        };
        let place = typed.burst.as_ref().or(typed.buffer.as_ref()).map(Spanned::span);
        if let Some(place) = place.filter(|_| policy.burst >= policy.buffer && self.faults.len() == before) {
            let [burst, buffer] = [policy.burst, policy.buffer].map(humantime::format_duration);
            self.fault(&place, format!("burst ({burst}) must be shorter than buffer ({buffer})"));
        }
        policy
    }

    pub(super) fn channels(
        &mut self,
        typed: Vec<Spanned<Table<ChannelFile>>>,
        defaults: Policy,
    ) -> Vec<Arc<Channel>> {
        let mut taken = Taken::default();
        typed
            .into_iter()
            .filter_map(|typed| {
                let header = typed.span();
                let Table(typed) = typed.into_inner();
                self.channel(typed, &header, defaults, &mut taken).map(Arc::new)
            })
            .collect()
    }

    /// The channel which begins at `header`; none without a good id, for then the file is refused anyway.
    fn channel(
        &mut self,
        typed: ChannelFile,
        header: &Range<usize>,
        defaults: Policy,
        taken: &mut Taken,
    ) -> Option<Channel> {
        let policy = self.policy(&typed.overrides(), defaults);
        let ChannelFile { id, name, number, group, logo, tvg_id, program, sources, .. } = typed;
        if id.is_none() {
            self.fault(header, "this channel has no id");
        }
        let sources = self.sources(sources, header, id.as_ref().map(|id| &**id.get_ref()));
        let checked_id = self.checked("id", id.as_ref(), |text| text.parse::<ChannelId>());
        if let (Some(checked), Some(typed)) = (&checked_id, &id) {
            self.unique(&mut taken.ids, checked.clone(), typed.span(), |id| format!("the id \"{id}\""));
        }
        let checked_number = self.number("number", &number, u32::MAX.into());
        if let (Some(checked), Some(typed)) = (checked_number, &number) {
            self.unique(&mut taken.numbers, checked, typed.span(), |number| format!("the number {number}"));
        }
        let name = self.words("name", &name);
        let group = self.words("group", &group);
        let logo = self.checked("logo", logo.as_ref(), |text| parse_http(text).map(String::from));
        let tvg_id = self.words("tvg_id", &tvg_id);
        let program = self.number("program", &program, u16::MAX.into());

        let id = checked_id?;
        let name = name.unwrap_or_else(|| id.to_string());
        Some(Channel { id, name, number: checked_number, group, logo, tvg_id, program, policy, sources })
    }

    /// Remembers where `value` stands, or says where it was used first.
    fn unique<T: Hash + Eq>(
        &mut self,
        taken: &mut HashMap<T, Range<usize>>,
        value: T,
        span: Range<usize>,
        shown: impl FnOnce(&T) -> String,
    ) {
        // The line is counted only for a message: it takes a pass over the text.
        if let Some(first) = taken.get(&value) {
            let line = Place::new(self.text, first).line;
            self.fault(&span, format!("{} is taken: line {line} uses it first", shown(&value)));
        } else {
            taken.insert(value, span);
        }
    }
}

/// What only one channel may have, and where it stands.
#[derive(Default)]
struct Taken {
    ids: HashMap<ChannelId, Range<usize>>,
    numbers: HashMap<u32, Range<usize>>,
}
