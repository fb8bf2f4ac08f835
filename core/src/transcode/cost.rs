//! What encoding costs, in processors.

use std::collections::BTreeMap;

use super::profile::{Pictures, Profile};

/// Copying pictures and encoding sound: 1 % of a processor, and some air.
const COPY: f64 = 0.015;

/// Decoding a broadcast and what goes with each encode, measured on a processor of 2021.
const DECODE: f64 = 0.06;

/// Encoding 720p with 30 pictures a second by the fastest preset.
const ENCODE_720P: f64 = 0.15;

/// What each next preset takes, compared with the fastest.
const PRESETS: [f64; 6] = [1.0, 1.5, 2.3, 3.2, 3.8, 4.5];

/// How much the newest sample counts.
const WEIGHT: f64 = 0.1;

/// What profiles cost, learned while they run.
#[derive(Debug, Default)]
pub(super) struct Costs(BTreeMap<String, f64>);

impl Costs {
    /// What a job of this profile takes, in processors.
    pub(super) fn of(&self, profile: &Profile) -> f64 {
        self.0.get(profile.name.as_str()).copied().unwrap_or_else(|| guess(profile))
    }

    /// A job of this profile took so much.
    pub(super) fn learn(&mut self, profile: &Profile, cpu: f64) {
        let known = self.of(profile);
        let learned = known + WEIGHT * (cpu - known);
        self.0.insert(profile.name.as_str().to_owned(), learned);
    }
}

/// What it takes before any was seen.
fn guess(profile: &Profile) -> f64 {
    let Pictures::Encode(encoding) = &profile.pictures else { return COPY };
    let height = f64::from(encoding.height);
    let pixels = height * height / (720.0 * 720.0);
    let rate = f64::from(encoding.frame_rate.unwrap_or(30)) / 30.0;
    let at = super::PRESETS.iter().position(|&preset| preset == encoding.preset).unwrap_or(0);
    DECODE + ENCODE_720P * pixels * rate * PRESETS[at]
}
