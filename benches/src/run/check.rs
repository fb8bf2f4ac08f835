//! Ratios against those that were committed: did something get worse?

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::results::{Runs, Spread};
use super::scenario::{Better, Ratio};

/// What a ratio may be worse by. Repeated, ratios stay well within this; absolute figures would not.
const TOLERANCE: f64 = 0.15;

/// The committed file: the median of each ratio by name, apart for full and quick runs, which do not compare.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Committed {
    full: BTreeMap<String, f64>,
    quick: BTreeMap<String, f64>,
}

impl Committed {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not understood", path.display()))
    }

    /// Takes over what was measured and writes the file; what was not measured stays.
    pub(super) fn write(mut self, path: &Path, is_quick: bool, runs: &[Runs]) -> anyhow::Result<()> {
        let ratios = if is_quick { &mut self.quick } else { &mut self.full };
        for (name, (spread, _)) in runs.iter().flat_map(Runs::ratios) {
            // More digits than this would only be noise.
            ratios.insert(name, (spread.median * 1000.0).round() / 1000.0);
        }
        let text = serde_json::to_string_pretty(&self)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// What is worse than committed, in words, and what was compared.
    pub(super) fn check(&self, is_quick: bool, runs: &[Runs]) -> (Vec<String>, Vec<String>) {
        let committed = if is_quick { &self.quick } else { &self.full };
        let (mut worse, mut compared) = (Vec::new(), Vec::new());
        for (name, (measured, ratio)) in runs.iter().flat_map(Runs::ratios) {
            let Some(&before) = committed.get(&name) else {
                compared.push(format!("{name}: {:.3}, nothing committed", measured.median));
                continue;
            };
            let line = format!("{name}: {:.3}, committed {before:.3}", measured.median);
            if is_worse(judged(&measured, is_quick, ratio), before, ratio) {
                worse.push(line);
            } else {
                compared.push(line);
            }
        }
        (worse, compared)
    }
}

/// The median; of a short look the best round, since what got worse is worse in every round, and what disturbed one is not.
fn judged(measured: &Spread, is_quick: bool, ratio: &Ratio) -> f64 {
    match (is_quick, ratio.better) {
        (false, _) => measured.median,
        (true, Better::Lower) => measured.min,
        (true, Better::Higher) => measured.max,
    }
}

fn is_worse(measured: f64, before: f64, ratio: &Ratio) -> bool {
    match ratio.better {
        Better::Lower => measured > before * (1.0 + TOLERANCE),
        Better::Higher => measured < before / (1.0 + TOLERANCE),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::scenarios;
    use crate::run::server::Kind;

    fn runs(cost: f64) -> [Runs; 1] {
        let report = |cost: f64| vec![json!({ "server": { "cpu_s_per_gb": cost } })];
        let reports = [(Kind::Forebay, report(cost)), (Kind::Reference, report(1.0))].into();
        [Runs { scenario: &scenarios::ALL[0], arguments: scenarios::ALL[0].load, reports }]
    }

    fn committed() -> Committed {
        let full = [("fanout-5000: CPU-s/GB, forebay to reference".to_owned(), 0.6)].into();
        Committed { full, ..Committed::default() }
    }

    #[test]
    fn sixteen_per_cent_worse_is_too_much_and_fourteen_is_not() {
        let worse = |by: f64| committed().check(false, &runs(0.6 * by)).0.len();
        assert_eq!((worse(1.16), worse(1.14), worse(0.5)), (1, 0, 0));
    }

    #[test]
    fn where_more_is_better_less_is_worse() {
        let ratio = Ratio { better: Better::Higher, ..scenarios::ALL[0].ratios[0] };
        assert!(is_worse(1.0 / 1.16, 1.0, &ratio));
        assert!(!is_worse(1.0 / 1.14, 1.0, &ratio));
        assert!(!is_worse(5.0, 1.0, &ratio));
    }

    #[test]
    fn a_short_look_is_judged_by_its_best_round() {
        let spread = Spread { median: 2.0, min: 1.0, max: 3.0 };
        let cost = scenarios::ALL[0].ratios[0];
        assert!((judged(&spread, false, &cost) - 2.0).abs() < f64::EPSILON);
        assert!((judged(&spread, true, &cost) - 1.0).abs() < f64::EPSILON);
        let rate = Ratio { better: Better::Higher, ..cost };
        assert!((judged(&spread, true, &rate) - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_not_committed_fails_nothing() {
        let (worse, compared) = committed().check(true, &runs(9.0));
        assert!(worse.is_empty());
        assert_eq!(compared, ["fanout-5000: CPU-s/GB, forebay to reference: 9.000, nothing committed"]);
    }

    #[test]
    fn the_committed_file_is_understood() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference.json");
        let committed = Committed::read(&path).unwrap();
        let known: Vec<String> =
            scenarios::ALL.iter().map(|scenario| format!("{}: ", scenario.name)).collect();
        for name in committed.full.keys().chain(committed.quick.keys()) {
            assert!(
                known.iter().any(|known| name.starts_with(known)) || name.starts_with("requests: "),
                "{name}"
            );
        }
    }
}
