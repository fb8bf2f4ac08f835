//! What the server does as a whole.

use forebay_core::lifecycle::Phase;
use forebay_core::resolve::Load;
use forebay_relay::channel::{ReaderKind, Report, Traffic};
use forebay_relay::events::Happened;

use super::family::{Family, Label};
use crate::http::State;
use crate::http::films::FilmTraffic;
use crate::http::ops::ProcessMemory;
use crate::http::presence::How;
use crate::http::refusals::Kind;
use crate::http::tally::{Count, Way};
use crate::supervisor::Health;
use crate::{db, telemetry};

/// Phases of an open channel, with the words of the status.
const PHASES: [(Phase, &str); 3] =
    [(Phase::Starting, "starting"), (Phase::Active, "active"), (Phase::Stopping, "stopping")];

const WAYS: [(Way, &str); 2] = [(Way::Ts, "ts"), (Way::Hls, "hls")];

fn label(name: &'static str, value: &str) -> Vec<Label> {
    vec![(name, value.to_owned())]
}

/// All but what single channels and providers do.
pub(super) fn families(state: &State, reports: &[Report]) -> Vec<Family> {
    let mut all = process(state, reports);
    all.extend(streams(state, reports));
    all.extend(viewers(state, reports));
    all.extend(films(state));
    all.extend(guides(state));
    all.extend(pages(state));
    all.extend(refusals(state));
    all
}

fn process(state: &State, reports: &[Report]) -> Vec<Family> {
    let version = env!("CARGO_PKG_VERSION");
    let services = state.process.services.read();
    let services =
        services.iter().map(|(name, health)| (label("service", name), u64::from(*health == Health::Healthy)));
    let memory = ProcessMemory::now().resident;
    let stores: u64 = reports.iter().map(|report| report.store_bytes).sum();
    let log = telemetry::left_out();
    let lines = [("lost", log.lost), ("suppressed", log.suppressed)];
    let db::Counts { written, failed, reads, refused_writes, refused_reads, .. } = state.database.counts();
    let changes = [
        ("written", written),
        ("failed", failed),
        ("refused", refused_writes),
        ("read", reads),
        ("refused_read", refused_reads),
    ];
    vec![
        Family::info("build", "The version that runs.", label("version", version)),
        Family::gauge("uptime", "Since the start.", state.process.started.elapsed().as_secs_f64())
            .in_seconds(),
        Family::gauges("memory_resident", "Memory of the process.", memory.map(|bytes| (Vec::new(), bytes)))
            .in_bytes(),
        Family::gauge("memory_stores", "Memory of the channels' stores.", stores).in_bytes(),
        Family::gauges("service_healthy", "1 while a part of the program runs, else 0.", services),
        Family::counters(
            "database_requests",
            "Changes and reads of the database, by what became of them.",
            changes.map(|(result, count)| (label("result", result), count)),
        ),
        Family::counters(
            "log_lines_left_out",
            "Lines of the log that were not written, by reason.",
            lines.map(|(reason, count)| (label("reason", reason), count)),
        ),
    ]
}

fn guides(state: &State) -> Vec<Family> {
    let counts = state.guides.counts();
    let readings = [("taken", counts.taken), ("unchanged", counts.unchanged), ("failed", counts.failed)];
    let documents = [("found", counts.found), ("made", counts.made), ("evicted", counts.evicted)];
    let limited = [("refused", counts.refused), ("cut", counts.cut)];
    let by_result =
        |figures: [(&'static str, u64); 3]| figures.map(|(word, count)| (label("result", word), count));
    vec![
        Family::gauge("guides", "Guides that there are.", counts.guides),
        Family::gauge(
            "guides_left_out",
            "Guides that are not read, since there are too many.",
            counts.left_out,
        ),
        Family::gauge(
            "guide_names_left_out",
            "Names and ids of channels of guides that are not compared, since there are too many.",
            counts.names_left_out,
        ),
        Family::gauge("guide_channels", "Channels of which a guide tells.", counts.matched),
        Family::counters("guide_readings", "Readings of guides, by result.", by_result(readings)),
        Family::counters(
            "guide_documents",
            "Guides of ours for viewers, by what became of them.",
            by_result(documents),
        ),
        Family::counters(
            "guide_answers_limited",
            "Answers from guides that a limit has refused or cut.",
            limited.map(|(word, count)| (label("result", word), count)),
        ),
    ]
}

fn streams(state: &State, reports: &[Report]) -> Vec<Family> {
    let Happened { streams_opened, switches, outages, .. } = state.channels.events().happened();
    let closed = state.channels.closed_traffic();
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let Traffic { received, sent } = state.tally.advance(Traffic {
        received: closed.received + sum(|report| report.bytes_received),
        sent: closed.sent + sum(|report| report.bytes_sent),
    });
    let by_phase = PHASES.map(|(phase, word)| {
        (label("state", word), reports.iter().filter(|report| report.phase == phase).count())
    });
    let switches = switches.into_iter().map(|(reason, count)| (label("reason", reason), count));
    vec![
        Family::gauge("channels", "Channels that there are.", state.catalogue.list().len()),
        Family::gauges("streams", "Open channels, by state.", by_phase),
        Family::counter("streams_opened", "Channels that were opened.", streams_opened),
        Family::counter("received", "Bytes from sources.", received).in_bytes(),
        Family::counter("sent", "Bytes of channels to viewers.", sent).in_bytes(),
        Family::counters("failovers", "Times that a source was left, by reason.", switches),
        Family::histograms("outage", "How long viewers had no source.", [(Vec::new(), outages)]).in_seconds(),
    ]
}

fn viewers(state: &State, reports: &[Report]) -> Vec<Family> {
    let happened = state.channels.events().happened();
    let of = |kind| reports.iter().map(|report| report.readers.of(kind)).sum::<usize>();
    let by_form = [
        ("hls", of(ReaderKind::Hls)),
        ("ts", of(ReaderKind::Ts)),
        ("film", state.films.viewers.count(How::Film)),
        ("catchup", state.films.viewers.count(How::Catchup)),
    ];
    let tally = &state.tally;
    let first_byte = WAYS.map(|(way, word)| (label("form", word), tally.first_byte(way)));
    let first_key_frame = WAYS.map(|(way, word)| (label("form", word), tally.first_key_frame(way)));
    let hls = [("playlist", Count::Playlists), ("segment", Count::Segments)];
    let archives = [
        ("sent", Count::ArchivesSent),
        ("failed", Count::ArchivesFailed),
        ("refused", Count::ArchivesRefused),
    ];
    let tokens = [
        ("made", Count::TokensMade),
        ("refreshed", Count::TokensRefreshed),
        ("revoked", Count::TokensRevoked),
        ("refused", Count::TokensRefused),
    ];
    vec![
        Family::gauges(
            "viewers",
            "Viewers, by how they are sent what they watch.",
            by_form.map(|(form, count)| (label("form", form), count)),
        ),
        Family::gauge(
            "known_viewers",
            "Streams whose user or key is known.",
            state.accounts.viewing().count(),
        ),
        Family::gauge("hls_sessions", "HLS players.", state.audience.sessions.count()),
        Family::gauge("connections", "Connections of clients.", state.process.slots.taken()),
        Family::gauge("connections_limit", "Connections that there may be.", state.max_connections()),
        Family::counter("viewers_joined", "Viewers that came.", happened.viewers_joined),
        Family::counter(
            "viewers_moved_on",
            "Times that a viewer fell behind the window and was moved on.",
            happened.viewers_moved_on,
        ),
        Family::counter("viewers_missed", "Bytes that those viewers missed.", happened.bytes_missed)
            .in_bytes(),
        Family::histograms("first_byte", "From the request of a viewer to the first byte.", first_byte)
            .in_seconds(),
        Family::histograms(
            "first_key_frame",
            "From the first request of a viewer to the first key frame.",
            first_key_frame,
        )
        .in_seconds(),
        Family::counters(
            "hls_requests",
            "Requests of HLS players.",
            hls.map(|(kind, count)| (label("kind", kind), tally.read(count))),
        ),
        Family::counters(
            "provider_archives",
            "Requests for what providers have kept, by result.",
            archives.map(|(result, count)| (label("result", result), tally.read(count))),
        ),
        Family::gauge(
            "tokens_live",
            "Tokens of streams that are good.",
            state.accounts.people().tokens().count(),
        ),
        Family::counters(
            "tokens",
            "Tokens of streams, by what became of the request.",
            tokens.map(|(result, count)| (label("result", result), tally.read(count))),
        ),
    ]
}

fn films(state: &State) -> Vec<Family> {
    let made = state.films.made.counts();
    let requests = [("hit", made.hits), ("miss", made.misses), ("refused", made.refused)];
    let sent = FilmTraffic::PATHS.map(|(path, word)| (label("path", word), state.films.traffic.sent(path)));
    vec![
        Family::gauge("films", "Films that there are.", state.films.library.videos().len()),
        Family::counters("films_sent", "Bytes of films to viewers, by the way they took.", sent).in_bytes(),
        Family::gauge("film_cache", "Segments of films in memory.", made.held).in_bytes(),
        Family::gauge("film_cache_limit", "What they may take.", made.limit).in_bytes(),
        Family::gauge("film_cache_segments", "Segments of films that are kept in memory.", made.segments),
        Family::counters(
            "film_cache_requests",
            "Requests for segments, by whether something of them was in memory.",
            requests.map(|(result, count)| (label("result", result), count)),
        ),
        Family::counter("film_cache_evictions", "Segments that had to go for others.", made.evicted),
    ]
}

fn pages(state: &State) -> Vec<Family> {
    let Load { known, running, waiting, turned_away } = state.resolver.load();
    let pages = [("known", known), ("running", running), ("waiting", waiting)];
    vec![
        Family::gauges(
            "pages",
            "Pages of video platforms: those that are known, are being resolved, and wait for that.",
            pages.map(|(state, count)| (label("state", state), count)),
        ),
        Family::counter("pages_turned_away", "Pages for which there was no room to wait.", turned_away),
    ]
}

fn refusals(state: &State) -> Vec<Family> {
    let refusals = &state.admission.refusals;
    let limits = [
        ("requests", state.tally.read(Count::RequestsRefused)),
        ("passwords", state.tally.read(Count::GuessesRefused)),
        ("tokens", state.tally.read(Count::TokensRefused)),
        ("viewers", refusals.count(Kind::Viewers)),
        ("channels_open", refusals.count(Kind::Opened)),
        ("channels_opening", refusals.count(Kind::Opening)),
    ];
    vec![
        Family::counters(
            "rate_limited",
            "What was refused since its household or user had as much as it may, by limit.",
            limits.map(|(limit, count)| (label("limit", limit), count)),
        ),
        Family::counter(
            "discovery_refused",
            "Questions for tuners that were not answered since there were too many.",
            state.upkeep.searches.count(),
        ),
    ]
}
