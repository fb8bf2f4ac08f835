//! What is drawn at random.

use std::fmt;
use std::time::Duration;

use forebay_core::failover::{SourceId, SourceOverride};
use forebay_core::health::Severity;
use forebay_core::lifecycle::Times;
use forebay_core::provider::Limits;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use crate::source::{Fate, Mood, Source};
use crate::world::{Event, Plan};

/// Sources that each channel may have.
const POOL: usize = 4;

/// A world, and what happens in it: each so many milliseconds after what was before.
pub(crate) struct Draw {
    pub(crate) limits: Vec<Limits>,
    pub(crate) sources: Vec<Source>,
    pub(crate) plans: Vec<Plan>,
    pub(crate) script: Vec<(u64, Event)>,
}

impl fmt::Debug for Draw {
    /// One thing a line, since a failing case is read by people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limits, sources, plans, script } = self;
        limits.iter().enumerate().try_for_each(|(at, limits)| writeln!(f, "provider {at}: {limits:?}"))?;
        sources.iter().enumerate().try_for_each(|(at, source)| writeln!(f, "source {at}: {source:?}"))?;
        plans.iter().enumerate().try_for_each(|(at, plan)| writeln!(f, "channel {at}: {plan:?}"))?;
        script.iter().try_for_each(|(after, event)| writeln!(f, "after {after}: {event:?}"))
    }
}

pub(crate) fn worlds() -> impl Strategy<Value = Draw> {
    (1..4usize, 1..5usize).prop_flat_map(|(providers, channels)| {
        (
            prop::collection::vec(limits(), providers),
            prop::collection::vec(source(providers), channels * POOL),
            (0..channels).map(plan).collect::<Vec<_>>(),
            prop::collection::vec((after(), event(providers, channels)), 0..80),
        )
            .prop_map(|(limits, sources, plans, script)| Draw { limits, sources, plans, script })
    })
}

fn after() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0), 4 => 1..1500u64, 3 => 1500..12_000u64, 1 => 12_000..60_000u64]
}

fn millis(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn limits() -> impl Strategy<Value = Limits> {
    let settle = prop_oneof![2 => Just(Duration::ZERO), 1 => millis(1..4000)];
    (1..4usize, 0..3usize, settle).prop_map(|(connections, probes, settle)| Limits {
        connections,
        probes,
        settle,
    })
}

pub(crate) fn source(providers: usize) -> impl Strategy<Value = Source> {
    (
        mood(),
        prop::option::weighted(0.8, 0..providers),
        0..6u8,
        // Within what a source that is reopened has.
        (millis(5..800), millis(50..1500), millis(0..300)),
        prop_oneof![3 => Just(Duration::ZERO), 1 => Just(Duration::from_secs(6))],
    )
        .prop_map(|(mood, provider, host, (answers, tunes, closes), patience)| Source {
            mood,
            provider,
            host,
            answers,
            tunes,
            closes,
            patience,
        })
}

fn severity() -> impl Strategy<Value = Severity> {
    prop_oneof![Just(Severity::Programme), Just(Severity::Notice), Just(Severity::Nothing)]
}

/// Pictures for so many milliseconds, and then no more.
pub(crate) fn fleeting(span: std::ops::Range<u64>) -> impl Strategy<Value = Mood> {
    let fate = prop_oneof![
        Just(Fate::Ends),
        Just(Fate::Stalls),
        Just(Fate::GivesUp),
        severity().prop_map(Fate::Sickens),
    ];
    (millis(span), fate).prop_map(|(span, fate)| Mood::Until(span, fate))
}

pub(crate) fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![
        4 => Just(Mood::Good),
        2 => millis(100..6000).prop_map(Mood::Late),
        2 => Just(Mood::Refuses),
        1 => Just(Mood::Silent),
        1 => Just(Mood::Drips),
        1 => Just(Mood::Blind),
        4 => fleeting(0..40_000),
    ]
}

pub(crate) fn times() -> impl Strategy<Value = Times> {
    let idle = prop_oneof![Just(Duration::ZERO), millis(1..15_000)];
    let hedge = prop::option::weighted(0.8, millis(100..3000));
    let return_after = prop::option::weighted(0.8, millis(1000..30_000));
    (idle, millis(1000..6000), millis(2500..5000), millis(5000..20_000), hedge, return_after).prop_map(
        |(idle, connect, stall, start, hedge, return_after)| Times {
            idle,
            connect,
            stall,
            start,
            hedge,
            return_after,
        },
    )
}

fn plan(channel: usize) -> impl Strategy<Value = Plan> {
    (-1..2i32, times(), lineup(channel)).prop_map(|(priority, times, lineup)| Plan {
        priority,
        times,
        lineup,
    })
}

/// One channel whose source at this place is good and always to be had; what the others do.
pub(crate) struct Faithful {
    pub(crate) limits: Vec<Limits>,
    pub(crate) sources: Vec<Source>,
    pub(crate) plan: Plan,
    pub(crate) script: Vec<(u64, Event)>,
}

impl fmt::Debug for Faithful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limits, sources, plan, script } = self;
        sources.iter().try_for_each(|source| writeln!(f, "source: {source:?}"))?;
        writeln!(f, "{limits:?} {plan:?}")?;
        script.iter().try_for_each(|(after, event)| writeln!(f, "after {after}: {event:?}"))
    }
}

pub(crate) fn faithful() -> impl Strategy<Value = Faithful> {
    (2..4usize).prop_flat_map(|count| {
        let others = (any::<Index>(), mood(), any::<bool>())
            .prop_map(move |(index, mood, is_felt)| (1 + index.index(count - 1), mood, is_felt));
        (
            prop::collection::vec(limits(), 1),
            prop::collection::vec(source(1), count),
            times(),
            Just((0..count as u64).map(SourceId).collect::<Vec<_>>()).prop_shuffle(),
            prop::collection::vec((after(), others), 0..60),
        )
            .prop_map(|(limits, mut sources, times, lineup, script)| {
                sources[0] = Source { mood: Mood::Good, provider: None, host: u8::MAX, ..sources[0].clone() };
                let event = |(after, (source, mood, is_felt))| (after, Event::Mood { source, mood, is_felt });
                let script = script.into_iter().map(event).collect();
                Faithful { limits, sources, plan: Plan { priority: 0, times, lineup }, script }
            })
    })
}

/// The sources of a channel that it may have.
fn pool(channel: usize) -> Vec<SourceId> {
    (channel * POOL..(channel + 1) * POOL).map(|source| SourceId(source as u64)).collect()
}

fn lineup(channel: usize) -> impl Strategy<Value = Vec<SourceId>> {
    subsequence(pool(channel), 1..POOL).prop_shuffle()
}

/// A channel, and what an admin wants of it: also sources that are not in its list, or were.
fn override_source(channels: usize) -> impl Strategy<Value = (usize, SourceOverride)> {
    (0..channels).prop_flat_map(|channel| {
        let source = || select(pool(channel));
        let order = prop_oneof![
            4 => source().prop_map(SourceOverride::Pin),
            1 => Just(SourceOverride::Unpin),
            3 => Just(SourceOverride::Skip),
            3 => source().prop_map(SourceOverride::Disable),
            2 => source().prop_map(SourceOverride::Enable),
        ];
        (Just(channel), order)
    })
}

fn event(providers: usize, channels: usize) -> impl Strategy<Value = Event> {
    let of_channel = move || 0..channels;
    let reload = (of_channel(), any::<Index>()).prop_flat_map(|(channel, _)| {
        (Just(channel), lineup(channel), times())
            .prop_map(|(at, lineup, times)| Event::Reload(at, lineup, times))
    });
    prop_oneof![
        10 => of_channel().prop_map(Event::Join),
        3 => of_channel().prop_map(Event::Leave),
        4 => of_channel().prop_map(Event::Empty),
        12 => (0..channels * POOL, mood(), any::<bool>())
            .prop_map(|(source, mood, is_felt)| Event::Mood { source, mood, is_felt }),
        4 => override_source(channels).prop_map(|(at, order)| Event::SourceOverride(at, order)),
        2 => reload,
        2 => (0..providers, limits()).prop_map(|(at, limits)| Event::Limits(at, limits)),
        1 => of_channel().prop_map(Event::Latecomer),
        1 => of_channel().prop_map(Event::Stop),
    ]
}
