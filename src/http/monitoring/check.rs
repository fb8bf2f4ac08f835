//! How well the server is, by its figures.

use serde::Serialize;
use utoipa::ToSchema;

/// How well something is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum Level {
    #[default]
    Healthy,
    Warning,
    Critical,
}

/// From where on a figure is no longer well.
#[derive(Debug, Clone, Copy)]
struct Threshold {
    warning: f64,
    critical: f64,
}

/// Of the memory of the machine, in percent.
const MEMORY: Threshold = Threshold { warning: 75.0, critical: 90.0 };

/// Of the connections that there may be.
const STREAMS: Threshold = Threshold { warning: 0.75, critical: 0.95 };

/// Of the answers of late, those that were errors of the server.
const ERRORS: Threshold = Threshold { warning: 0.05, critical: 0.1 };

impl Threshold {
    fn level(self, value: f64) -> Level {
        if value > self.critical {
            Level::Critical
        } else if value > self.warning {
            Level::Warning
        } else {
            Level::Healthy
        }
    }
}

/// The figures that are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Figures {
    /// Of the memory of the machine, in percent.
    pub(super) memory: f64,
    pub(super) streams: usize,
    /// Connections that there may be.
    pub(super) max_streams: usize,
    /// Of the answers of late, those that were errors of the server: from 0 to 1.
    pub(super) error_rate: f64,
    /// Whether every service runs.
    pub(super) runs: bool,
}

/// How well the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Levels {
    pub(super) memory: Level,
    pub(super) streams: Level,
    pub(super) errors: Level,
    pub(super) services: Level,
}

impl Levels {
    pub(super) fn of(figures: &Figures) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = figures.streams as f64 / usize::max(figures.max_streams, 1) as f64;
        Self {
            memory: MEMORY.level(figures.memory),
            streams: STREAMS.level(share),
            errors: ERRORS.level(figures.error_rate),
            services: if figures.runs { Level::Healthy } else { Level::Critical },
        }
    }

    /// Each by its name.
    pub(super) fn named(self) -> [(&'static str, Level); 4] {
        [
            ("memory", self.memory),
            ("activeStreams", self.streams),
            ("errorRate", self.errors),
            ("services", self.services),
        ]
    }

    /// The worst of them.
    pub(super) fn worst(self) -> Level {
        self.named().into_iter().map(|(_, level)| level).max().unwrap_or_default()
    }
}

/// Answers and errors of the last minutes, from counts that only grow.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The counts at each look, the oldest first.
    looks: std::collections::VecDeque<(u64, u64)>,
}

/// Looks that a window reaches back: five minutes.
const LOOKS: usize = 30;

impl Window {
    /// So many answers there were so far, and so many of them were errors.
    pub(super) fn note(&mut self, answers: u64, errors: u64) {
        if self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((answers, errors));
    }

    /// Of a hundred answers of late at least, the share that were errors: from 0 to 1. A few say
    /// nothing.
    pub(super) fn error_rate(&self) -> f64 {
        let Some((&(first, old), &(last, new))) = self.looks.front().zip(self.looks.back()) else {
            return 0.0;
        };
        let answers = last.saturating_sub(first);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let rate = new.saturating_sub(old) as f64 / u64::max(answers, 100) as f64;
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_beyond_a_threshold_are_told_by_their_level() {
        let well = Figures { memory: 40.0, streams: 3, max_streams: 100, error_rate: 0.0, runs: true };
        let worst = |figures: Figures| Levels::of(&figures).worst();
        assert_eq!(worst(well), Level::Healthy);
        for (figures, level) in [
            (Figures { memory: 75.0, ..well }, Level::Healthy),
            (Figures { memory: 75.1, ..well }, Level::Warning),
            (Figures { memory: 91.0, ..well }, Level::Critical),
            (Figures { streams: 76, ..well }, Level::Warning),
            (Figures { streams: 96, ..well }, Level::Critical),
            (Figures { error_rate: 0.06, ..well }, Level::Warning),
            (Figures { error_rate: 0.2, ..well }, Level::Critical),
            (Figures { runs: false, ..well }, Level::Critical),
        ] {
            assert_eq!(worst(figures), level, "{figures:?}");
        }
    }

    #[test]
    fn errors_of_long_ago_are_forgotten_and_few_say_nothing() {
        let rate = |window: &Window| format!("{:.0} %", window.error_rate() * 100.0);
        let mut window = Window::default();
        assert_eq!(rate(&window), "0 %");
        window.note(0, 0);
        window.note(2, 2);
        assert_eq!(rate(&window), "2 %", "two errors of a hundred answers at least");
        window.note(1000, 200);
        assert_eq!(rate(&window), "20 %");
        for answers in 1..=LOOKS as u64 {
            window.note(1000 + answers * 10, 200);
        }
        assert_eq!(rate(&window), "0 %");
    }
}
