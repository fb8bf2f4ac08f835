//! What a scenario is: a load, the servers that bear it in turn, and what is looked at.

use super::server::Kind;

/// One scenario.
#[derive(Debug)]
pub(super) struct Scenario {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) about: &'static str,
    /// Bits a second of the origin.
    pub(super) bitrate: u64,
    /// Measured one after the other in each round.
    pub(super) servers: &'static [Kind],
    /// Who loads them.
    pub(super) by: By,
    /// Arguments of the load.
    pub(super) load: &'static str,
    /// The same for a short look; `None` leaves it out.
    pub(super) quick: Option<&'static str>,
    /// What the table shows.
    pub(super) measures: &'static [Measure],
    /// What is compared.
    pub(super) ratios: &'static [Ratio],
}

/// Who loads the servers, and so what the arguments mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Viewers of live streams.
    Viewers,
    /// Such viewers, and who asks for JSON meanwhile.
    Requests,
    /// Players of HLS.
    Players,
    /// Programs that fetch films, or hold connections.
    Downloads,
}

/// One figure of a load's report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    /// Its name and unit.
    pub(super) name: &'static str,
    /// Where it is in the report.
    pub(super) pointer: &'static str,
    /// What it is divided by.
    pub(super) per: Per,
}

/// What a figure is divided by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Per {
    /// A unit.
    Unit(f64),
    /// A number of the load's arguments, and a unit.
    Argument(&'static str, f64),
}

/// A figure of one server divided by another's, which says more than either.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ratio {
    pub(super) measure: Measure,
    pub(super) of: Kind,
    pub(super) to: Kind,
    pub(super) better: Better,
    /// Figures below this are as good as this: nobody notices half a millisecond, and its ratio to a whole one is noise.
    pub(super) floor: f64,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    /// Less.
    Lower,
    /// More.
    Higher,
}

impl Scenario {
    /// Arguments of the load; `None` if this one is left out.
    pub(super) fn arguments(&self, is_quick: bool) -> Option<&'static str> {
        if is_quick { self.quick } else { Some(self.load) }
    }
}

impl Measure {
    /// Its value in a report of a load with these arguments.
    pub(super) fn value(&self, report: &serde_json::Value, arguments: &str) -> Option<f64> {
        let by = match self.per {
            Per::Unit(unit) => unit,
            Per::Argument(name, unit) => argument(arguments, name)? * unit,
        };
        Some(report.pointer(self.pointer)?.as_f64()? / by)
    }
}

/// A number on a command line.
pub(super) fn argument(arguments: &str, name: &str) -> Option<f64> {
    arguments.split_whitespace().skip_while(|&word| word != name).nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_counts_for_each_is_divided() {
        let per = Per::Argument("--viewers", 1e3);
        let measure = Measure { name: "own kB/viewer", pointer: "/server/anonymous_bytes", per };
        let report = json!({ "server": { "anonymous_bytes": 5_000_000 } });
        assert_eq!(measure.value(&report, "--viewers 500 --ramp 1"), Some(10.0));
        assert_eq!(measure.value(&report, "--ramp 1"), None);
    }
}
