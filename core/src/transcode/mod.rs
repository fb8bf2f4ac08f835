//! Variants of channels: what is encoded ([`Profile`]), and whether there is processor time for it
//! ([`Admission`]).

mod admission;
mod cost;
mod profile;
#[cfg(test)]
mod tests;

pub use self::admission::{
    Action, Admission, Counts, JobId, JobLoad, JobReport, NoCpu, Request, Sample, Settings, Summary,
};
pub use self::profile::{Encoding, PRESETS, Pictures, Profile, ProfileName, ProfileNameError};
