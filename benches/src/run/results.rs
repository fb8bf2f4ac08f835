//! What came of the runs, in a table and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scenario::{Better, Measure, Ratio, Scenario};
use super::server::Kind;
use crate::stats::median;

/// Several runs' values of one figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// `None` of no values.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let median = median(values)?;
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Self { median, min, max })
    }

    fn text(&self) -> String {
        let Self { median, min, max } = *self;
        // As many digits as the median has use for, the same for all three.
        let digits = match median.abs() {
            whole if whole.fract() == 0.0 && min.fract() == 0.0 && max.fract() == 0.0 => 0,
            below if below < 1.0 => 3,
            below if below < 10.0 => 2,
            below if below < 100.0 => 1,
            _ => 0,
        };
        if min.to_bits() == max.to_bits() {
            format!("{median:.digits$}")
        } else {
            format!("{median:.digits$} [{min:.digits$}-{max:.digits$}]")
        }
    }
}

/// All runs of one scenario.
#[derive(Debug)]
pub(super) struct Runs {
    pub(super) scenario: &'static Scenario,
    pub(super) arguments: &'static str,
    /// A report for each round, by server.
    pub(super) reports: BTreeMap<Kind, Vec<Value>>,
}

/// One scenario in the JSON file.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    about: &'static str,
    load: &'static str,
    servers: BTreeMap<Kind, BTreeMap<&'static str, Spread>>,
    ratios: BTreeMap<String, Spread>,
    reports: BTreeMap<Kind, Vec<Value>>,
}

impl Runs {
    fn values(&self, kind: Kind, measure: &Measure) -> Vec<f64> {
        let reports = self.reports.get(&kind).map(Vec::as_slice).unwrap_or_default();
        reports.iter().filter_map(|report| measure.value(report, self.arguments)).collect()
    }

    /// A ratio's name and its values: round by round, since what was measured at the same time compares best.
    fn ratio(&self, ratio: &Ratio) -> Option<(String, Spread)> {
        let (of, to) = (self.values(ratio.of, &ratio.measure), self.values(ratio.to, &ratio.measure));
        let values: Vec<f64> =
            of.iter().zip(&to).map(|(of, to)| of.max(ratio.floor) / to.max(ratio.floor)).collect();
        let name = format!("{}: {}, {} to {}", self.scenario.name, ratio.measure.name, ratio.of, ratio.to);
        Spread::of(&values).filter(|spread| spread.median.is_finite()).map(|spread| (name, spread))
    }

    /// All ratios, by name.
    pub(super) fn ratios(&self) -> BTreeMap<String, (Spread, &'static Ratio)> {
        let all = self.scenario.ratios.iter();
        all.filter_map(|ratio| self.ratio(ratio).map(|(name, spread)| (name, (spread, ratio)))).collect()
    }

    /// Each figure against that of the older build.
    fn changes(&self) -> Vec<(String, Spread)> {
        let ratio = |&measure: &Measure| {
            let ratio =
                Ratio { measure, of: Kind::Forebay, to: Kind::Before, better: Better::Lower, floor: 0.0 };
            self.ratio(&ratio)
        };
        self.scenario.measures.iter().filter_map(ratio).collect()
    }

    /// What must never be, in words: viewers of Forebay that were lost or shown an error, or more upstreams than channels.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let forebay = self
            .reports
            .iter()
            .filter(|(kind, _)| matches!(kind, Kind::Forebay | Kind::Copy | Kind::Sendfile));
        for (kind, report) in
            forebay.flat_map(|(kind, reports)| reports.iter().map(move |report| (kind, report)))
        {
            let count = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
            for (what, pointer) in [
                ("viewers lost", "/lost"),
                ("stalls", "/stalls"),
                ("segments missed", "/missed"),
                ("sync errors", "/checked/sync_errors"),
                ("continuity errors", "/checked/continuity_errors"),
                ("sync errors shown to those who joined", "/checked_joining/sync_errors"),
                ("continuity errors shown to those who joined", "/checked_joining/continuity_errors"),
                ("sync errors shown to slow readers", "/checked_slow/sync_errors"),
            ] {
                if count(pointer) > 0 {
                    faults.push(format!("{}, {kind}: {} {what}", self.scenario.name, count(pointer)));
                }
            }
            let failures =
                ["failures", "refusals"].into_iter().filter_map(|name| report[name].as_object()).flatten();
            faults.extend(
                failures.map(|(what, times)| format!("{}, {kind}: {times} times {what}", self.scenario.name)),
            );
            let opened = count("/origin/opened");
            if opened > count("/origin/channels") {
                faults.push(format!("{}, {kind}: {opened} upstreams opened", self.scenario.name));
            }
        }
        faults
    }

    /// Figures line by line, servers side by side.
    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "\n{}: {} ({})", self.scenario.name, self.scenario.about, self.arguments)?;
        write!(out, "{:26}", "")?;
        for kind in self.reports.keys() {
            write!(out, "{:>26}", kind.to_string())?;
        }
        writeln!(out)?;
        for measure in self.scenario.measures {
            write!(out, "{:26}", measure.name)?;
            for &kind in self.reports.keys() {
                let text = Spread::of(&self.values(kind, measure))
                    .map_or_else(|| "-".into(), |spread| spread.text());
                write!(out, "{text:>26}")?;
            }
            writeln!(out)?;
        }
        for (name, (spread, _)) in self.ratios() {
            writeln!(out, "{name}: {}", spread.text())?;
        }
        for (name, spread) in self.changes() {
            writeln!(out, "{name}: {}", spread.text())?;
        }
        Ok(())
    }

    pub(super) fn summary(&self) -> Summary {
        let figures = |kind: Kind| {
            let of = |measure: &Measure| Some((measure.name, Spread::of(&self.values(kind, measure))?));
            self.scenario.measures.iter().filter_map(of).collect()
        };
        Summary {
            about: self.scenario.about,
            load: self.arguments,
            servers: self.reports.keys().map(|&kind| (kind, figures(kind))).collect(),
            ratios: self.ratios().into_iter().map(|(name, (spread, _))| (name, spread)).collect(),
            reports: self.reports.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::scenarios;

    fn runs(forebay: &[Value], reference: &[Value]) -> Runs {
        Runs {
            scenario: &scenarios::ALL[0],
            arguments: scenarios::ALL[0].load,
            reports: [(Kind::Forebay, forebay.to_vec()), (Kind::Reference, reference.to_vec())].into(),
        }
    }

    fn cost(value: f64) -> Value {
        json!({ "server": { "cpu_s_per_gb": value } })
    }

    #[test]
    fn ratios_are_made_round_by_round() {
        let runs = runs(&[cost(0.1), cost(0.4), cost(0.3)], &[cost(0.2), cost(0.8), cost(0.3)]);
        let ratios = runs.ratios();
        let (name, (spread, _)) = ratios.first_key_value().unwrap();
        assert_eq!(name, "fanout-5000: CPU-s/GB, forebay to reference");
        assert_eq!((spread.median, spread.min, spread.max), (0.5, 0.5, 1.0));
        assert_eq!(ratios.len(), 1, "nothing is said of a server that was not measured");
    }

    #[test]
    fn each_figure_is_compared_with_an_older_build() {
        let mut runs = runs(&[cost(0.1), cost(0.4), cost(0.3)], &[]);
        runs.reports.insert(Kind::Before, vec![cost(0.2), cost(0.4), cost(0.3)]);
        let changes = runs.changes();
        let expected = Spread { median: 1.0, min: 0.5, max: 1.0 };
        assert_eq!(changes, [("fanout-5000: CPU-s/GB, forebay to before".to_owned(), expected)]);
    }

    #[test]
    fn faults_are_named() {
        let bad = json!({ "lost": 2, "failures": { "Churn: refused": 3 }, "origin": { "opened": 2, "channels": 1 } });
        assert_eq!(
            runs(std::slice::from_ref(&bad), std::slice::from_ref(&bad)).faults(),
            [
                "fanout-5000, forebay: 2 viewers lost",
                "fanout-5000, forebay: 3 times Churn: refused",
                "fanout-5000, forebay: 2 upstreams opened",
            ],
            "the reference's are its own"
        );
        assert!(runs(&[json!({ "lost": 0, "failures": {} })], &[]).faults().is_empty());
    }

    #[test]
    fn a_table_shows_the_middle_and_the_ends() {
        let mut text = Vec::new();
        runs(&[cost(0.1), cost(0.4), cost(0.3)], &[cost(0.2)]).print(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("0.300 [0.100-0.400]"), "{text}");
    }
}
