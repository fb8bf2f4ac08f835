//! Channels as tuners.

/// `[hdhomerun]`: the channels for programs that know HDHomeRun devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hdhomerun {
    /// Whether there are tuners.
    pub is_on: bool,
    /// Whether programs that look for tuners in their network are answered.
    pub is_discoverable: bool,
    /// What people call the device.
    pub name: String,
    /// Channels that a device plays at once, from 1; where it is not set, what the providers allow.
    pub tuners: Option<u32>,
}

impl Default for Hdhomerun {
    fn default() -> Self {
        Self { is_on: true, is_discoverable: false, name: "Forebay".to_owned(), tuners: None }
    }
}
