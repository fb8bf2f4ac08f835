//! Providers: accounts whose connections are counted.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::ChannelIdError;
use super::id::check_characters;

/// `[[providers]]`: an account with a limit of connections. The `User-Agent` of its sources is in
/// [`Source`](super::Source).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name in sources, messages and the status, unique in the file.
    pub id: ProviderId,
    /// How many connections it allows at a time; 1 to 1000.
    pub max_connections: u32,
    /// How long it still counts a connection that is closed; up to 1 minute.
    pub settle: Duration,
    /// How many of its connections may be probes at a time; up to 10.
    pub max_probes: u32,
}

/// Names a provider in messages and metrics: 1 to 64 characters of `A-Z a-z 0-9 . _ -`. Cloning is
/// cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(Arc<str>);

impl ProviderId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderId {
    type Err = ChannelIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_characters(text)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
