//! How many questions a second are answered while viewers watch, beside nginx, which answers the same from its configuration.
//!
//! Both servers run at once on the same processor, and are asked one after the other: what the viewers cost, they cost both.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};

use super::nginx;
use super::program::Program;
use super::results::Runs;
use super::scenario::{Scenario, argument};
use super::server::{Kind, Servers};
use crate::http;
use crate::load::Report;
use crate::sys;

/// The scenario's name.
pub(super) const NAME: &str = "requests";

/// What is asked, and the name that the figures get.
const QUESTIONS: [(&str, &str); 2] = [("health", "/health"), ("status", "/api/streams/status")];

/// How wrk asks: on one thread, which one processor can feed.
const ASKING: [&str; 4] = ["-t1", "-c1000", "--latency", "--timeout=10s"];

/// Seconds of the load that are left over for starting and ending.
const REST: f64 = 4.0;

/// Until the viewers have come, and are in step.
const WARM_UP: Duration = Duration::from_secs(6);

/// Measures, if there is something to ask with.
pub(super) fn measure(
    servers: &Servers,
    scenario: &'static Scenario,
    arguments: &'static str,
    rounds: usize,
) -> anyhow::Result<Runs> {
    let mut reports: BTreeMap<Kind, Vec<Value>> = BTreeMap::new();
    if Command::new("wrk").arg("-v").output().is_err() {
        writeln!(io::stderr(), "{NAME}: left out, since wrk is not installed (Debian package wrk)")?;
        return Ok(Runs { scenario, arguments, reports });
    }
    let origin = Program::origin(&servers.placement, scenario.bitrate)?;
    for round in 1..=rounds {
        writeln!(io::stderr(), "{NAME}, {round} of {rounds}")?;
        let forebay = servers.start(Kind::Forebay, &origin, 1)?;
        let mut words = vec![Servers::url(Kind::Forebay, &forebay)?];
        words.extend(arguments.split_whitespace().map(str::to_owned));
        let load = Program::load(&servers.placement, &forebay, "load", &words)?;
        std::thread::sleep(WARM_UP);
        let beside = if nginx::is_there() { Some(start_nginx(servers, &forebay)?) } else { None };
        let duration = argument(arguments, "--duration").unwrap_or(0.0) - REST;
        // Two servers, each asked each question.
        let seconds = (duration / 2.0 / QUESTIONS.len() as f64).max(1.0).floor();
        let (mut of_forebay, mut of_nginx) = (Map::new(), Map::new());
        for (name, path) in QUESTIONS {
            of_forebay.insert(name.into(), ask(servers, forebay.address, path, seconds)?);
            if let Some(nginx) = &beside {
                of_nginx.insert(name.into(), ask(servers, nginx.address, path, seconds)?);
            }
        }
        let mut report = serde_json::to_value(load.finish::<Report>()?)?;
        report["requests"] = of_forebay.into();
        reports.entry(Kind::Forebay).or_default().push(report);
        if beside.is_some() {
            reports.entry(Kind::Nginx).or_default().push(json!({ "requests": of_nginx }));
        }
    }
    Ok(Runs { scenario, arguments, reports })
}

/// nginx with the answers that Forebay gives now.
fn start_nginx(servers: &Servers, forebay: &Program) -> anyhow::Result<Program> {
    let mut places = String::new();
    for (_, path) in QUESTIONS {
        let body = http::get(forebay.address, path)?;
        ensure!(
            !body.contains(['\'', '$', '\\']),
            "{path} has an answer that nginx would take for more than text"
        );
        let _ =
            writeln!(places, "location = {path} {{ default_type application/json; return 200 '{body}'; }}");
    }
    Program::server(&servers.placement, &servers.folder.join("nginx.log"), |listen| {
        nginx::command(listen, &servers.folder, &places)
    })
}

fn ask(servers: &Servers, server: SocketAddr, path: &str, seconds: f64) -> anyhow::Result<Value> {
    let mut command = Command::new("wrk");
    command.args(ASKING).arg(format!("-d{seconds}s")).arg(format!("http://{server}{path}"));
    let output = sys::on_processors(servers.placement.others(), || command.output())??;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {}", String::from_utf8_lossy(&output.stderr));
    understand(&text).with_context(|| format!("wrk said something else: {text}"))
}

/// Requests a second, the time 99 % took, and what was no good answer.
fn understand(text: &str) -> Option<Value> {
    let behind = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next())
    };
    let per_s: f64 = behind("Requests/sec:")?.parse().ok()?;
    let bad: f64 = behind("Non-2xx or 3xx responses:").map_or(Some(0.0), |count| count.parse().ok())?;
    let unanswered: f64 = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Socket errors:"))
        .map_or(0.0, |line| line.split([' ', ',']).filter_map(|word| word.parse::<f64>().ok()).sum());
    Some(json!({ "per_s": per_s, "p99_ms": milliseconds(behind("99%")?)?, "bad": bad + unanswered }))
}

/// As wrk writes durations: `850.00us`, `1.25ms`, `2.00s`.
fn milliseconds(text: &str) -> Option<f64> {
    let at = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_is_understood() {
        let text = "Running 8s test\n  Latency Distribution\n     50%   1.20ms\n     99%  850.00us\n  \
                    81234 requests in 8.00s, 9.00MB read\n  Socket errors: connect 0, read 2, write 0, timeout 1\n  \
                    Non-2xx or 3xx responses: 4\nRequests/sec:  10154.25\nTransfer/sec: 1.1MB\n";
        assert_eq!(understand(text), Some(json!({ "per_s": 10154.25, "p99_ms": 0.85, "bad": 7.0 })));
        assert_eq!(understand("wrk: unable to connect"), None);
        assert_eq!(milliseconds("2.00s"), Some(2000.0));
    }
}
