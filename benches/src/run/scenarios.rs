//! What is measured.

use super::scenario::{Better, By, Measure, Per, Ratio, Scenario};
use super::server::Kind::{self, Copy, Forebay, Nginx, Origin, Reference, Scraped, Sendfile, Token};

const fn measure(name: &'static str, pointer: &'static str, unit: f64) -> Measure {
    Measure { name, pointer, per: Per::Unit(unit) }
}

const CPU_PER_GB: Measure = measure("CPU-s/GB", "/server/cpu_s_per_gb", 1.0);
const CORE: Measure = measure("core, %", "/server/core_share", 0.01);
const RATE: Measure = measure("Gbit/s", "/gigabits_per_s", 1.0);
const RESIDENT: Measure = measure("resident, MB", "/server/rss_bytes", 1e6);
const STORE: Measure = measure("memory files, MB", "/server/memory_file_bytes", 1e6);
const OWN_PER_VIEWER: Measure = Measure {
    name: "own kB/viewer",
    pointer: "/server/anonymous_bytes",
    per: Per::Argument("--viewers", 1e3),
};
const FDS: Measure = measure("fds", "/server/fds", 1.0);
const SWITCHES: Measure = measure("switches/s", "/server/switches_per_s", 1.0);
const BEHIND: Measure = measure("behind", "/behind", 1.0);
const LOST: Measure = measure("lost", "/lost", 1.0);
const SYNC: Measure = measure("sync errors", "/checked/sync_errors", 1.0);
const CONTINUITY: Measure = measure("continuity errors", "/checked/continuity_errors", 1.0);
const AGE_50: Measure = measure("age p50, ms", "/age/p50_ms", 1.0);
const AGE_99: Measure = measure("age p99, ms", "/age/p99_ms", 1.0);
const AGE_999: Measure = measure("age p99.9, ms", "/age/p999_ms", 1.0);
const GAP_99: Measure = measure("gap p99, ms", "/gaps/p99_ms", 1.0);
const KEY_50: Measure = measure("join p50, ms", "/churn/first_key/p50_ms", 1.0);
const KEY_99: Measure = measure("join p99, ms", "/churn/first_key/p99_ms", 1.0);
const KEY_MAX: Measure = measure("join max, ms", "/churn/first_key/max_ms", 1.0);
const JOINS: Measure = measure("joins", "/churn/first_key/count", 1.0);
const JOINS_PER_S: Measure = measure("joins/s", "/storm_joins_per_s", 1.0);
const HEALTH: Measure = measure("health, 1/s", "/requests/health/per_s", 1.0);
const STATUS: Measure = measure("status, 1/s", "/requests/status/per_s", 1.0);
const OPENED: Measure = measure("upstreams opened", "/origin/opened", 1.0);

const FANOUT: &[Measure] = &[
    CPU_PER_GB,
    CORE,
    RATE,
    RESIDENT,
    STORE,
    OWN_PER_VIEWER,
    SWITCHES,
    BEHIND,
    LOST,
    SYNC,
    CONTINUITY,
    AGE_50,
    AGE_99,
    GAP_99,
];

const JOINING: &[Measure] = &[KEY_50, KEY_99, KEY_MAX, JOINS, CORE, RESIDENT, BEHIND, LOST, SYNC, CONTINUITY];

const PLAYERS: &[Measure] = &[
    CPU_PER_GB,
    CORE,
    RATE,
    RESIDENT,
    measure("stalls", "/stalls", 1.0),
    measure("not found", "/not_found", 1.0),
    measure("missed", "/missed", 1.0),
    LOST,
    SYNC,
    CONTINUITY,
    measure("segment p50, ms", "/segment_time/p50_ms", 1.0),
    measure("segment p99, ms", "/segment_time/p99_ms", 1.0),
    measure("segment p99.9, ms", "/segment_time/p999_ms", 1.0),
    measure("playlist p99, ms", "/playlist_time/p99_ms", 1.0),
    measure("start p99, ms", "/start_time/p99_ms", 1.0),
];

const fn film_cost(name: &'static str, pointer: &'static str) -> Measure {
    measure(name, pointer, 1.0)
}

const FILE_COLD: Measure = film_cost("file cold, CPU-s/GB", "/file/cold/server/cpu_s_per_gb");
const FILE_HOT: Measure = film_cost("file hot, CPU-s/GB", "/file/hot/server/cpu_s_per_gb");
const HLS_COLD: Measure = film_cost("HLS cold, CPU-s/GB", "/hls/cold/server/cpu_s_per_gb");
const HLS_HOT: Measure = film_cost("HLS hot, CPU-s/GB", "/hls/hot/server/cpu_s_per_gb");
const DASH_COLD: Measure = film_cost("DASH cold, CPU-s/GB", "/dash/cold/server/cpu_s_per_gb");
const DASH_HOT: Measure = film_cost("DASH hot, CPU-s/GB", "/dash/hot/server/cpu_s_per_gb");
const TS_COLD: Measure = film_cost("TS cold, CPU-s/GB", "/ts/cold/server/cpu_s_per_gb");
const TS_HOT: Measure = film_cost("TS hot, CPU-s/GB", "/ts/hot/server/cpu_s_per_gb");

const fn lower(measure: Measure, of: Kind, to: Kind, floor: f64) -> Ratio {
    Ratio { measure, of, to, better: Better::Lower, floor }
}

const COST: Ratio = lower(CPU_PER_GB, Forebay, Reference, 0.0);
const COPY_COST: Ratio = lower(CPU_PER_GB, Copy, Reference, 0.0);
const SENDFILE_COST: Ratio = lower(CPU_PER_GB, Sendfile, Reference, 0.0);

const SD: u64 = 2_000_000;
const HD: u64 = 8_000_000;

/// All scenarios but [`soak`](super::soak), which goes on for hours.
pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "fanout-5000",
        about: "many viewers of one channel at 2 Mbit/s",
        bitrate: SD,
        servers: &[Forebay, Copy, Sendfile, Reference],
        by: By::Viewers,
        load: "--viewers 5000 --ramp 2000 --warm-up 5 --duration 15",
        quick: Some("--viewers 3000 --ramp 3000 --warm-up 1.5 --duration 6"),
        measures: FANOUT,
        ratios: &[COST, COPY_COST, SENDFILE_COST],
    },
    Scenario {
        name: "viewers-10000",
        about: "as many as one processor should bear, at 2 Mbit/s",
        bitrate: SD,
        servers: &[Forebay],
        by: By::Viewers,
        load: "--viewers 10000 --ramp 2000 --warm-up 5 --duration 15",
        quick: None,
        measures: FANOUT,
        ratios: &[],
    },
    Scenario {
        name: "hd-1000",
        about: "viewers of one channel at 8 Mbit/s",
        bitrate: HD,
        servers: &[Forebay, Reference],
        by: By::Viewers,
        load: "--viewers 1000 --warm-up 5 --duration 15 --sweep 20",
        quick: Some("--viewers 400 --warm-up 1.5 --duration 6 --sweep 20"),
        measures: FANOUT,
        ratios: &[COST],
    },
    Scenario {
        name: "hd-4000",
        about: "as many as one processor should bear, at 8 Mbit/s",
        bitrate: HD,
        servers: &[Forebay],
        by: By::Viewers,
        load: "--viewers 4000 --ramp 2000 --warm-up 5 --duration 15 --sweep 20",
        quick: None,
        measures: FANOUT,
        ratios: &[],
    },
    Scenario {
        name: "latency-10",
        about: "few viewers of one channel, each looked at, beside as many at the origin itself",
        bitrate: SD,
        servers: &[Forebay, Origin],
        by: By::Viewers,
        load: "--viewers 10 --check-every 1 --warm-up 5 --duration 20",
        quick: None,
        measures: &[AGE_50, AGE_99, AGE_999, GAP_99, CORE, LOST, SYNC, CONTINUITY],
        ratios: &[],
    },
    Scenario {
        name: "joins",
        about: "warm joins beside many viewers",
        bitrate: SD,
        servers: &[Forebay, Reference],
        by: By::Viewers,
        load: "--viewers 5000 --ramp 2000 --churn 100 --warm-up 5 --duration 15",
        quick: Some("--viewers 500 --churn 100 --warm-up 1.5 --duration 5"),
        measures: JOINING,
        ratios: &[lower(KEY_99, Forebay, Reference, 10.0)],
    },
    Scenario {
        name: "churn",
        about: "many who come and go, beside many who stay",
        bitrate: SD,
        servers: &[Forebay, Reference],
        by: By::Viewers,
        load: "--viewers 5000 --ramp 2000 --churn 2000 --warm-up 5 --duration 30",
        quick: None,
        measures: JOINING,
        ratios: &[],
    },
    Scenario {
        name: "storm",
        about: "joins as fast as they are served, 200 at a time",
        bitrate: SD,
        servers: &[Forebay, Reference],
        by: By::Viewers,
        load: "--viewers 10 --storm 20000 --warm-up 3",
        quick: Some("--viewers 10 --storm 4000 --warm-up 1.5"),
        measures: &[
            JOINS_PER_S,
            measure("join p50, ms", "/storm/first_byte/p50_ms", 1.0),
            measure("join p99, ms", "/storm/first_byte/p99_ms", 1.0),
            CORE,
            RESIDENT,
            OPENED,
            LOST,
            SYNC,
            CONTINUITY,
        ],
        ratios: &[Ratio {
            measure: JOINS_PER_S,
            of: Forebay,
            to: Reference,
            better: Better::Higher,
            floor: 0.0,
        }],
    },
    Scenario {
        name: "token-joins",
        about: "joins that show a token, and joins that need none",
        bitrate: SD,
        servers: &[Forebay, Token],
        by: By::Viewers,
        load: "--viewers 10 --storm 20000 --warm-up 3",
        quick: None,
        measures: &[JOINS_PER_S, measure("join p50, ms", "/storm/first_byte/p50_ms", 1.0), CORE, LOST],
        ratios: &[Ratio { measure: JOINS_PER_S, of: Token, to: Forebay, better: Better::Higher, floor: 0.0 }],
    },
    Scenario {
        name: "scraped-10000",
        about: "as many as one processor should bear, while the figures are asked for each second",
        bitrate: SD,
        servers: &[Forebay, Scraped],
        by: By::Viewers,
        load: "--viewers 10000 --ramp 2000 --warm-up 5 --duration 15",
        quick: None,
        measures: &[CPU_PER_GB, CORE, RATE, OWN_PER_VIEWER, BEHIND, LOST, GAP_99],
        ratios: &[lower(CPU_PER_GB, Scraped, Forebay, 0.0)],
    },
    Scenario {
        name: "cold-1000",
        about: "joins within 0.2 s of a channel that is not open",
        bitrate: SD,
        servers: &[Forebay],
        by: By::Viewers,
        load: "--cold 1000 --within 0.2 --warm-up 2 --duration 3",
        quick: Some("--cold 500 --within 0.2 --warm-up 2 --duration 2"),
        measures: &[
            OPENED,
            measure("join p50, ms", "/steady/first_key/p50_ms", 1.0),
            measure("join p99, ms", "/steady/first_key/p99_ms", 1.0),
            measure("join max, ms", "/steady/first_key/max_ms", 1.0),
            LOST,
            SYNC,
            CONTINUITY,
        ],
        ratios: &[],
    },
    Scenario {
        name: "slow-300",
        about: "readers at 10 kB/s beside good ones",
        bitrate: SD,
        servers: &[Forebay, Reference],
        by: By::Viewers,
        load: "--viewers 100 --slow 300 --slow-rate 10000 --check-every 4 --warm-up 3 --duration 70",
        quick: None,
        measures: &[
            Measure {
                name: "kernel kB/slow reader",
                pointer: "/tcp_memory_growth_bytes",
                per: Per::Argument("--slow", 1e3),
            },
            RESIDENT,
            STORE,
            BEHIND,
            LOST,
            SYNC,
            CONTINUITY,
            measure("sync errors, slow", "/checked_slow/sync_errors", 1.0),
            measure("steps of counters, slow", "/checked_slow/continuity_errors", 1.0),
            AGE_99,
            GAP_99,
        ],
        ratios: &[],
    },
    Scenario {
        name: "channels-500",
        about: "many channels with two viewers each",
        bitrate: SD,
        servers: &[Forebay],
        by: By::Viewers,
        load: "--channels 500 --viewers 1000 --ramp 500 --warm-up 5 --duration 15",
        quick: Some("--channels 50 --viewers 100 --ramp 500 --warm-up 1.5 --duration 5"),
        measures: &[
            CORE,
            CPU_PER_GB,
            RESIDENT,
            Measure {
                name: "resident kB/channel",
                pointer: "/server/rss_bytes",
                per: Per::Argument("--channels", 1e3),
            },
            Measure {
                name: "memory files kB/channel",
                pointer: "/server/memory_file_bytes",
                per: Per::Argument("--channels", 1e3),
            },
            FDS,
            SWITCHES,
            OPENED,
            BEHIND,
            LOST,
            SYNC,
            CONTINUITY,
            AGE_50,
            AGE_99,
        ],
        ratios: &[],
    },
    Scenario {
        name: super::requests::NAME,
        about: "1,000 connections that ask for JSON while viewers watch",
        bitrate: SD,
        servers: &[Forebay, Nginx],
        by: By::Requests,
        load: "--viewers 1000 --warm-up 5 --duration 36",
        quick: None,
        measures: &[
            HEALTH,
            measure("health p99, ms", "/requests/health/p99_ms", 1.0),
            measure("health, no answer", "/requests/health/bad", 1.0),
            STATUS,
            measure("status p99, ms", "/requests/status/p99_ms", 1.0),
            measure("status, no answer", "/requests/status/bad", 1.0),
            BEHIND,
            LOST,
            SYNC,
            CONTINUITY,
            AGE_50,
            AGE_99,
        ],
        ratios: &[
            Ratio { measure: HEALTH, of: Forebay, to: Nginx, better: Better::Higher, floor: 0.0 },
            Ratio { measure: STATUS, of: Forebay, to: Nginx, better: Better::Higher, floor: 0.0 },
        ],
    },
    Scenario {
        name: "hls-1000",
        about: "players of HLS, beside nginx with the same files in memory",
        bitrate: SD,
        servers: &[Forebay, Nginx],
        by: By::Players,
        load: "--players 1000 --ramp 250 --warm-up 4 --duration 20",
        quick: None,
        measures: PLAYERS,
        ratios: &[lower(CPU_PER_GB, Forebay, Nginx, 0.0)],
    },
    Scenario {
        name: "hls-5000",
        about: "many players of HLS, beside nginx with the same files in memory",
        bitrate: SD,
        servers: &[Forebay, Nginx],
        by: By::Players,
        load: "--players 5000 --ramp 625 --warm-up 4 --duration 20",
        quick: Some("--players 2000 --ramp 500 --warm-up 2 --duration 8"),
        measures: PLAYERS,
        ratios: &[lower(CPU_PER_GB, Forebay, Nginx, 0.0)],
    },
    Scenario {
        name: "films",
        about: "a film as a file, by HLS, by DASH and as MPEG-TS, beside nginx with the same bytes as files",
        bitrate: SD,
        servers: &[Forebay, Nginx],
        by: By::Downloads,
        load: "--connections 64 --duration 3",
        quick: Some("--connections 64 --duration 1.5"),
        measures: &[
            FILE_COLD,
            FILE_HOT,
            HLS_COLD,
            HLS_HOT,
            DASH_COLD,
            DASH_HOT,
            TS_COLD,
            TS_HOT,
            measure("file hot, Gbit/s", "/file/hot/gigabits_per_s", 1.0),
            measure("first segment p50, ms", "/start/p50_ms", 1.0),
            measure("first segment p99, ms", "/start/p99_ms", 1.0),
            measure("resident, MB", "/ts/hot/server/rss_bytes", 1e6),
        ],
        ratios: &[
            lower(FILE_COLD, Forebay, Nginx, 0.0),
            lower(FILE_HOT, Forebay, Nginx, 0.0),
            lower(HLS_COLD, Forebay, Nginx, 0.0),
            lower(HLS_HOT, Forebay, Nginx, 0.0),
            lower(DASH_COLD, Forebay, Nginx, 0.0),
            lower(DASH_HOT, Forebay, Nginx, 0.0),
            lower(TS_COLD, Forebay, Nginx, 0.0),
            lower(TS_HOT, Forebay, Nginx, 0.0),
        ],
    },
    Scenario {
        name: super::films::HELD,
        about: "connections at different places of 100 films that take nothing",
        bitrate: SD,
        servers: &[Forebay, Nginx],
        by: By::Downloads,
        load: "--connections 10000 --hold",
        quick: Some("--connections 2000 --hold"),
        measures: &[
            measure("held", "/answers", 1.0),
            Measure {
                name: "own kB/connection",
                pointer: "/server/anonymous_bytes",
                per: Per::Argument("--connections", 1e3),
            },
            RESIDENT,
            FDS,
        ],
        ratios: &[],
    },
];

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;

    #[derive(Debug, clap::Parser)]
    enum Client {
        Load(crate::load::Args),
        Players(crate::players::Args),
        Downloads(crate::downloads::Args),
    }

    #[test]
    fn the_load_understands_every_scenario() {
        for scenario in ALL {
            let words = match scenario.by {
                By::Players => &["bench", "players", "http://127.0.0.1:1/"][..],
                By::Downloads => &["bench", "downloads", "127.0.0.1:1", "--list", "a"],
                By::Viewers | By::Requests => &["bench", "load", "http://127.0.0.1:1/"],
            };
            for arguments in [Some(scenario.load), scenario.quick].into_iter().flatten() {
                let words = words.iter().copied();
                let parsed = Client::try_parse_from(words.chain(arguments.split_whitespace()));
                assert!(parsed.is_ok(), "{}: {parsed:?}", scenario.name);
            }
        }
    }

    #[test]
    fn measures_are_found_in_the_report() {
        let report = serde_json::to_value(crate::load::Report {
            server: Some(crate::load::ServerReport::default()),
            storm_joins_per_s: Some(1.0),
            ..crate::load::Report::default()
        });
        let mut report = report.unwrap();
        report["origin"] = json!({ "opened": 1 });
        let asked = json!({ "per_s": 1, "p99_ms": 1, "bad": 0 });
        report["requests"] = json!({ "health": asked, "status": asked });
        let players = serde_json::to_value(crate::players::Report {
            server: Some(crate::load::ServerReport::default()),
            ..crate::players::Report::default()
        });
        let players = players.unwrap();
        let downloads = serde_json::to_value(crate::downloads::Report {
            server: Some(crate::load::ServerReport::default()),
            ..crate::downloads::Report::default()
        });
        let mut downloads = downloads.unwrap();
        for form in ["file", "hls", "dash", "ts"] {
            downloads[form] = json!({ "cold": downloads, "hot": downloads });
        }
        downloads["start"] = json!({ "p50_ms": 1, "p99_ms": 1 });
        for scenario in ALL {
            for measure in scenario.measures {
                let report = match scenario.by {
                    By::Players => &players,
                    By::Downloads => &downloads,
                    By::Viewers | By::Requests => &report,
                };
                assert!(
                    measure.value(report, scenario.load).is_some(),
                    "{}: {}",
                    scenario.name,
                    measure.name
                );
            }
            for ratio in scenario.ratios {
                assert!(scenario.servers.contains(&ratio.of) && scenario.servers.contains(&ratio.to));
            }
        }
    }
}
