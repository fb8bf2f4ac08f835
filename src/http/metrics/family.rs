//! Figures as data, and how they are written.

use std::fmt;

use forebay_core::histogram::Reading;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

/// What stands in front of every name.
const PREFIX: &str = "forebay";

/// A label and its value.
pub(super) type Label = (&'static str, String);

/// One figure, or the same one of several things.
#[derive(Debug)]
pub(super) struct Family {
    /// Without the prefix, the unit and `_total`.
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    samples: Samples,
}

#[derive(Debug)]
enum Samples {
    /// What only grows.
    Counters(Vec<(Vec<Label>, u64)>),
    /// A value that may fall again.
    Gauges(Vec<(Vec<Label>, f64)>),
    Histograms(Vec<(Vec<Label>, Reading)>),
    Info(Vec<Label>),
}

impl Family {
    pub(super) fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self::counters(name, help, [(Vec::new(), value)])
    }

    pub(super) fn counters(
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Vec<Label>, u64)>,
    ) -> Self {
        Self { name, help, unit: None, samples: Samples::Counters(samples.into_iter().collect()) }
    }

    pub(super) fn gauge(name: &'static str, help: &'static str, value: impl Figure) -> Self {
        Self::gauges(name, help, [(Vec::new(), value)])
    }

    pub(super) fn gauges<F: Figure>(
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Vec<Label>, F)>,
    ) -> Self {
        let samples = samples.into_iter().map(|(labels, value)| (labels, value.as_float()));
        Self { name, help, unit: None, samples: Samples::Gauges(samples.collect()) }
    }

    pub(super) fn histograms(
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Vec<Label>, Reading)>,
    ) -> Self {
        Self { name, help, unit: None, samples: Samples::Histograms(samples.into_iter().collect()) }
    }

    pub(super) fn info(name: &'static str, help: &'static str, labels: Vec<Label>) -> Self {
        Self { name, help, unit: None, samples: Samples::Info(labels) }
    }

    /// The same, in seconds.
    pub(super) fn in_seconds(self) -> Self {
        Self { unit: Some(Unit::Seconds), ..self }
    }

    /// The same, in bytes.
    pub(super) fn in_bytes(self) -> Self {
        Self { unit: Some(Unit::Bytes), ..self }
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match self.samples {
            Samples::Counters(_) => MetricType::Counter,
            Samples::Gauges(_) => MetricType::Gauge,
            Samples::Histograms(_) => MetricType::Histogram,
            Samples::Info(_) => MetricType::Info,
        };
        let mut encoder = encoder.encode_descriptor(self.name, self.help, self.unit.as_ref(), kind)?;
        match &self.samples {
            Samples::Counters(samples) => each(&mut encoder, samples, |encoder, value| {
                encoder.encode_counter::<NoLabelSet, u64, f64>(value, None)
            }),
            Samples::Gauges(samples) => each(&mut encoder, samples, encode_gauge),
            Samples::Histograms(samples) => each(&mut encoder, samples, encode_histogram),
            Samples::Info(labels) => encoder.encode_info(labels),
        }
    }
}

/// A number that a gauge shows.
pub(super) trait Figure {
    fn as_float(&self) -> f64;
}

impl Figure for f64 {
    fn as_float(&self) -> f64 {
        *self
    }
}

impl Figure for usize {
    fn as_float(&self) -> f64 {
        (*self as u64).as_float()
    }
}

impl Figure for u64 {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and nobody sees a millionth")]
    fn as_float(&self) -> f64 {
        *self as f64
    }
}

fn each<T>(
    encoder: &mut MetricEncoder<'_>,
    samples: &[(Vec<Label>, T)],
    encode: impl Fn(&mut MetricEncoder<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (labels, value) in samples {
        if labels.is_empty() {
            encode(encoder, value)?;
        } else {
            encode(&mut encoder.encode_family(labels)?, value)?;
        }
    }
    Ok(())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as all samples are")]
fn encode_gauge(encoder: &mut MetricEncoder<'_>, value: &f64) -> fmt::Result {
    encoder.encode_gauge(value)
}

fn encode_histogram(encoder: &mut MetricEncoder<'_>, reading: &Reading) -> fmt::Result {
    encoder.encode_histogram::<NoLabelSet>(reading.sum, reading.count, &reading.buckets, None)
}

/// All families, which the library asks for.
#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // A family that has nothing now is left out.
        let full = self.0.iter().filter(|family| !family.samples.is_empty());
        full.into_iter().try_for_each(|family| family.encode(&mut encoder))
    }
}

impl Samples {
    fn is_empty(&self) -> bool {
        match self {
            Self::Counters(samples) => samples.is_empty(),
            Self::Gauges(samples) => samples.is_empty(),
            Self::Histograms(samples) => samples.is_empty(),
            Self::Info(_) => false,
        }
    }
}

/// The document of these families.
pub(super) fn render(families: Vec<Family>) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Families(families)));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a text takes all that is written to it");
    text
}
