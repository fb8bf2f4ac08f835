//! `[transcode]` and `[[profiles]]`: variants of channels.

use forebay_core::transcode::Profile;

/// What variants of channels are encoded as, and what they may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcode {
    /// The ffmpeg: a name or a path.
    pub ffmpeg: String,
    /// What jobs and all else may take of the processors, in percent, 1 to 100; no limit if absent.
    pub cpu_limit: Option<u32>,
    /// Jobs at a time; no limit if absent.
    pub max_jobs: Option<u32>,
    /// The profiles, those that are built in first; names are unique.
    pub profiles: Vec<Profile>,
}

impl Transcode {
    /// The profile of this name.
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name.as_str() == name)
    }
}

impl Default for Transcode {
    fn default() -> Self {
        Self {
            ffmpeg: "ffmpeg".to_owned(),
            // A fifth is for viewers who come, and for what nobody has thought of.
            cpu_limit: Some(80),
            max_jobs: None,
            profiles: Profile::built_in(),
        }
    }
}
