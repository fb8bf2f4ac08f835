//! `[stream]` and `[[channels]]`.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::super::file::{ChannelFile, Patterns, StreamFile, Table, TypedSize};
use super::super::units::{Limits, limits_ms};
use super::super::{Channel, ChannelId, Policy, SourceKind, UrlPattern};
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
/// Less than a group of pictures starves viewers; more than an hour is a film.
const READ_AHEAD: Limits<Duration> = limits_ms(1_000, 3_600_000);
const VIEWER_TIMEOUT: Limits<Duration> = limits_ms(100, 600_000);
/// Less is what playlists reach back to anyway; more is a recording.
const TIMESHIFT: Limits<Duration> = limits_ms(60_000, 7 * 86_400_000);
const TIMESHIFT_BYTES: Limits<u64> = Limits { min: 16 << 20, max: 4 << 40 };
const HEDGE: Limits<Duration> = limits_ms(100, 60_000);
/// Less tells nothing of a source's health; after more a source that works might as well be pinned.
const RETURN_AFTER: Limits<Duration> = limits_ms(1_000, 3_600_000);
/// Enough to give each channel a rank of its own in lists that people write.
const PRIORITY: RangeInclusive<i64> = -1000..=1000;
/// A provider has a handful of notices; each pattern is tried on each redirect.
const MAX_SLATE_URLS: usize = 32;

impl Resolver<'_> {
    /// What `typed` says, over what `defaults` say.
    pub(super) fn policy(&mut self, typed: &StreamFile, defaults: &Policy) -> Policy {
        let before = self.faults.count();
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
            read_ahead: time("read_ahead", &typed.read_ahead, &READ_AHEAD, defaults.read_ahead),
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
            hedge: self.duration_or_off("hedge", &typed.hedge, &HEDGE, defaults.hedge),
            return_after: self.duration_or_off(
                "return_after",
                &typed.return_after,
                &RETURN_AFTER,
                defaults.return_after,
            ),
            keep_alive: typed.keep_alive.unwrap_or(defaults.keep_alive),
            slate: typed.slate.unwrap_or(defaults.slate),
            health: self.health(&typed.health.0, defaults.health),
            confirm_frozen: typed.health.0.confirm_frozen.unwrap_or(defaults.confirm_frozen),
            hls: defaults.hls,
        };
        let place = typed.burst.as_ref().or(typed.buffer.as_ref()).map(Spanned::span);
        if let Some(place) = place.filter(|_| policy.burst >= policy.buffer && self.faults.count() == before)
        {
            let [burst, buffer] = [policy.burst, policy.buffer].map(humantime::format_duration);
            self.fault(&place, format!("burst ({burst}) must be shorter than buffer ({buffer})"));
        }
        policy
    }

    /// The patterns, where the key is there; those that are none are faults and left out.
    pub(super) fn slate_urls(&mut self, typed: Patterns) -> Option<Arc<[UrlPattern]>> {
        let typed = typed?;
        if typed.get_ref().len() > MAX_SLATE_URLS {
            self.fault(&typed.span(), format!("slate_urls: more than {MAX_SLATE_URLS}"));
        }
        let patterns = typed.into_inner();
        Some(
            patterns
                .iter()
                .filter_map(|typed| {
                    self.checked("slate_urls", Some(typed), |text| text.parse::<UrlPattern>())
                })
                .collect(),
        )
    }

    pub(super) fn channels(
        &mut self,
        typed: Vec<Spanned<Table<ChannelFile>>>,
        defaults: &Policy,
        slate_urls: &Arc<[UrlPattern]>,
    ) -> Vec<Arc<Channel>> {
        let mut taken = Taken::default();
        typed
            .into_iter()
            .filter_map(|typed| {
                let header = typed.span();
                let Table(typed) = typed.into_inner();
                self.channel(typed, &header, defaults, slate_urls, &mut taken).map(Arc::new)
            })
            .collect()
    }

    /// The channel which begins at `header`; none without a good id, for then the file is refused anyway.
    fn channel(
        &mut self,
        typed: ChannelFile,
        header: &Range<usize>,
        defaults: &Policy,
        slate_urls: &Arc<[UrlPattern]>,
        taken: &mut Taken,
    ) -> Option<Channel> {
        let overrides = typed.overrides();
        let policy = self.policy(&overrides, defaults);
        let ChannelFile { id, name, number, group, logo, tvg_id, program, priority, sources, .. } = typed;
        if id.is_none() {
            self.fault(header, "this channel has no id");
        }
        let own_slate_urls = self.slate_urls(overrides.slate_urls);
        let mut sources = self.sources(sources, header, id.as_ref().map(|id| &**id.get_ref()));
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

        let priority = self.number_within("priority", &priority, PRIORITY).unwrap_or_default();
        // Those of all channels are left out where they have no use, so that a warning is about what was said of this one.
        let slate_urls = own_slate_urls.unwrap_or_else(|| {
            let has_http = sources.iter().any(|source| source.url.kind() == SourceKind::Http);
            if has_http { Arc::clone(slate_urls) } else { Arc::default() }
        });
        for source in &mut sources {
            source.slate_urls = Arc::clone(&slate_urls);
        }

        let id = checked_id?;
        let name = name.unwrap_or_else(|| id.to_string());
        Some(Channel {
            id,
            name,
            number: checked_number,
            group,
            logo,
            tvg_id,
            program,
            priority,
            policy,
            slate_urls,
            sources,
        })
    }
}

/// What only one channel may have, and where it stands.
#[derive(Default)]
struct Taken {
    ids: HashMap<ChannelId, Range<usize>>,
    numbers: HashMap<u32, Range<usize>>,
}
