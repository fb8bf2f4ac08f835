//! What open channels and providers do.

use forebay_relay::channel::Report;
use forebay_relay::providers;

use super::family::{Family, Label};

/// Open channels with series of their own: those that are open for longest, so that series stay
/// while others come and go. Of the rest, the gauges are summed up as `other`; a sum of counters
/// would go back whenever one of them closes.
pub(super) const MAX_CHANNELS: usize = 200;

/// Providers with series of their own, the first by id.
const MAX_PROVIDERS: usize = 100;

/// The channel that stands for all without series of their own. No channel has such an id: it is
/// too long by a letter that ids may not have.
const OTHER: &str = "(other)";

fn channel(id: &str) -> Vec<Label> {
    vec![("channel", id.to_owned())]
}

/// What each channel does.
pub(super) fn families(reports: &[Report]) -> Vec<Family> {
    let mut all: Vec<&Report> = reports.iter().collect();
    all.sort_by(|a, b| (a.opened_at, &a.id).cmp(&(b.opened_at, &b.id)));
    let (named, others) = all.split_at(all.len().min(MAX_CHANNELS));
    let counters = |name, help, of: fn(&Report) -> u64| {
        Family::counters(name, help, named.iter().map(|report| (channel(report.id.as_str()), of(report))))
    };
    let gauges = |name, help, of: fn(&Report) -> u64| {
        let own = named.iter().map(|report| (channel(report.id.as_str()), of(report)));
        let rest = others.iter().map(|report| of(report)).reduce(|a, b| a + b);
        Family::gauges(name, help, own.chain(rest.map(|rest| (channel(OTHER), rest))))
    };
    let ahead = named.iter().map(|report| (channel(report.id.as_str()), report.ahead.as_secs_f64()));
    vec![
        gauges("stream_viewers", "Viewers of an open channel.", |report| report.readers.viewers() as u64),
        gauges("stream_bits_per_second", "What each viewer of an open channel is sent.", |report| {
            report.bitrate
        }),
        Family::gauges("stream_source_ahead", "How long the media that has come still lasts.", ahead)
            .in_seconds(),
        counters("stream_sent", "Bytes to viewers since the channel opened.", |report| report.bytes_sent)
            .in_bytes(),
        counters("stream_received", "Bytes from sources since the channel opened.", |report| {
            report.bytes_received
        })
        .in_bytes(),
        counters("stream_switches", "Times that a source was left since the channel opened.", |report| {
            report.switches_total
        }),
        counters(
            "stream_continuity_errors_in",
            "Continuity errors of the current source since it was opened.",
            |report| report.input.continuity_errors,
        ),
        counters(
            "stream_continuity_errors_out",
            "Continuity errors that viewers were shown since the channel opened.",
            |report| report.output.continuity_errors,
        ),
    ]
}

/// How the connections to each provider stand.
pub(super) fn providers(reports: &[providers::Report]) -> Vec<Family> {
    let named = &reports[..reports.len().min(MAX_PROVIDERS)];
    let of = |report: &providers::Report| ("provider", report.id.as_str().to_owned());
    let slots = named.iter().flat_map(|report| {
        let usage = &report.usage;
        let states = [
            ("open", usage.open),
            ("settling", usage.settling),
            ("waiting", usage.waiting),
            ("yielding", usage.yielding),
        ];
        states.map(|(state, count)| (vec![of(report), ("state", state.to_owned())], count))
    });
    let claims = named.iter().flat_map(|report| {
        let usage = &report.usage;
        let results = [
            ("granted", usage.granted_total),
            ("preempted", usage.preempted_total),
            ("refused", usage.refused_total),
        ];
        results.map(|(result, count)| (vec![of(report), ("result", result.to_owned())], count))
    });
    let limits = named.iter().map(|report| (vec![of(report)], report.usage.limit));
    vec![
        Family::gauges("provider_slots", "Connections to a provider, by what they do.", slots),
        Family::gauges("provider_slots_limit", "Connections that a provider allows.", limits),
        Family::counters("provider_claims", "Requests for a connection to a provider, by result.", claims),
    ]
}
