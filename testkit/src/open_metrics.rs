//! Reads figures in the text format of `OpenMetrics` 1.0, and takes nothing that its grammar does
//! not.
//!
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>

use std::collections::{BTreeMap, BTreeSet, HashSet};

/// One line with a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// With its suffix.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its number.
    pub value: f64,
}

/// A family while its lines are read.
#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: String,
    unit: Option<String>,
    has_help: bool,
    samples: Vec<Sample>,
}

/// All samples.
///
/// # Errors
/// Says which line breaks which rule.
pub fn parse(text: &str) -> Result<Vec<Sample>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("the end is not marked")?;
    let (mut all, mut names) = (Vec::new(), HashSet::new());
    let mut family = Family::default();
    for line in body.lines() {
        let fault = |what: &str| format!("{what}: {line}");
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let mut word = || words.next().ok_or_else(|| fault("too few words"));
            let (keyword, name, what) = (word()?, word()?, word()?);
            if name != family.name {
                all.extend(std::mem::take(&mut family).close()?);
                if !is_name(name) || !names.insert(name.to_owned()) {
                    return Err(fault("no name, or one that was there before"));
                }
                name.clone_into(&mut family.name);
            }
            if !family.samples.is_empty() {
                return Err(fault("it stands behind samples"));
            }
            match keyword {
                "TYPE" if family.kind.is_empty() => what.clone_into(&mut family.kind),
                "UNIT" if family.unit.is_none() => family.unit = Some(what.to_owned()),
                "HELP" if !family.has_help => family.has_help = true,
                _ => return Err(fault("an unknown keyword, or one again")),
            }
        } else {
            family.samples.push(sample(line).ok_or_else(|| fault("no sample"))?);
        }
    }
    all.extend(family.close()?);
    Ok(all)
}

impl Family {
    fn close(self) -> Result<Vec<Sample>, String> {
        let Self { name, kind, unit, samples, .. } = self;
        if name.is_empty() && samples.is_empty() {
            return Ok(samples);
        }
        if let Some(unit) = unit.filter(|unit| !name.ends_with(&format!("_{unit}"))) {
            return Err(format!("{name} does not end with its unit {unit}"));
        }
        let suffixes: &[&str] = match &*kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => return Err(format!("{name} is of no type that is known: {kind}")),
        };
        let mut seen = HashSet::new();
        for sample in &samples {
            let suffix = sample.name.strip_prefix(&name);
            if !suffix.is_some_and(|suffix| suffixes.contains(&suffix)) {
                return Err(format!("{} is no sample of {name}, a {kind}", sample.name));
            }
            if kind != "gauge" && (sample.value < 0.0 || sample.value.is_nan()) {
                return Err(format!("{} of {name} is below zero", sample.value));
            }
            if !seen.insert((&sample.name, &sample.labels)) {
                return Err(format!("{sample:?} is there twice"));
            }
        }
        if kind == "histogram" {
            check_buckets(&name, &samples)?;
        }
        Ok(samples)
    }
}

/// Buckets grow, up to infinity, where all are.
fn check_buckets(name: &str, samples: &[Sample]) -> Result<(), String> {
    let without_le = |sample: &Sample| {
        let mut labels = sample.labels.clone();
        labels.remove("le");
        labels
    };
    let series: BTreeSet<_> = samples.iter().map(without_le).collect();
    for labels in series {
        let of = |suffix: &str| {
            let is_own =
                |sample: &&Sample| sample.name == format!("{name}{suffix}") && without_le(sample) == labels;
            samples.iter().filter(is_own).collect::<Vec<_>>()
        };
        let bound = |sample: &Sample| match sample.labels.get("le").map(String::as_str) {
            Some("+Inf") => Some(f64::INFINITY),
            le => le?.parse::<f64>().ok(),
        };
        let buckets: Option<Vec<(f64, f64)>> =
            of("_bucket").into_iter().map(|bucket| Some((bound(bucket)?, bucket.value))).collect();
        let buckets = buckets.ok_or_else(|| format!("{name} has a bucket without a bound"))?;
        let is_growing = buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        let (count, last) = (of("_count"), buckets.last().copied());
        if !is_growing
            || of("_sum").len() != 1
            || count.len() != 1
            || last != Some((f64::INFINITY, count[0].value))
        {
            return Err(format!("{name}{labels:?} is no histogram: {buckets:?}, {count:?}"));
        }
    }
    Ok(())
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"")?;
            let (value, behind) = unescape(value)?;
            if !is_name(label) || label.contains(':') || labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            rest = behind;
            match rest.split_at_checked(1)? {
                (",", behind) => rest = behind,
                ("}", behind) => {
                    rest = behind;
                    break;
                }
                _ => return None,
            }
        }
    }
    // We write no time stamps and no exemplars.
    let value = rest.strip_prefix(' ').filter(|value| !value.contains(' '))?;
    is_name(name).then_some(())?;
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}

/// A text up to its quotation mark, and what is behind that.
fn unescape(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                _ => return None,
            }),
            '\n' => return None,
            _ => value.push(char),
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    let is_of_name = |char: char| char.is_ascii_alphanumeric() || "_:".contains(char);
    name.chars().all(is_of_name) && name.starts_with(|first: char| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_seconds How long.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n\
        a_seconds_sum{x=\"1,\\\"\"} 2.5\na_seconds_count{x=\"1,\\\"\"} 3\n\
        a_seconds_bucket{le=\"1.0\",x=\"1,\\\"\"} 1\na_seconds_bucket{le=\"+Inf\",x=\"1,\\\"\"} 3\n\
        # TYPE b counter\nb_total 7\n# EOF\n";

    #[test]
    fn what_the_grammar_allows_is_read_and_nothing_else() {
        let samples = parse(GOOD).unwrap();
        assert_eq!((samples.len(), samples[4].value, &*samples[0].labels["x"]), (5, 7.0, "1,\""));
        for (right, wrong) in [
            ("# EOF\n", ""),
            ("b_total 7", "b 7"),
            ("b_total 7", "b_total -7"),
            ("b_total 7", "b_total 7\nb_total 7"),
            ("b_total 7", "b_total{} 7"),
            ("b_total 7", "b_total seven"),
            ("# TYPE b counter\n", ""),
            ("# TYPE b", "# TYPE a_seconds"),
            ("# UNIT a_seconds seconds", "# UNIT a_seconds bytes"),
            ("le=\"+Inf\"", "le=\"2.0\""),
            ("le=\"1.0\",x=\"1,\\\"\"} 1", "le=\"1.0\",x=\"1,\\\"\"} 4"),
            ("_count{x=\"1,\\\"\"} 3", "_count{x=\"1,\\\"\"} 4"),
        ] {
            assert!(GOOD.contains(right), "{right}");
            assert!(parse(&GOOD.replacen(right, wrong, 1)).is_err(), "{right} -> {wrong}");
        }
    }
}
