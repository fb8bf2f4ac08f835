//! What an admin may order: this source first, never this one, or just not the current one.

use super::{Failover, SourceId};

/// An order of an admin about the sources of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceOverride {
    /// This source before all others, as long as it does not fail.
    Pin(SourceId),
    /// The usual order.
    Unpin,
    /// Another source than the current one.
    Skip,
    /// Never this source.
    Disable(SourceId),
    /// This source may be used again.
    Enable(SourceId),
}

impl SourceOverride {
    /// The word in the API and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pin(_) => "pin",
            Self::Unpin => "unpin",
            Self::Skip => "skip",
            Self::Disable(_) => "disable",
            Self::Enable(_) => "enable",
        }
    }

    /// The source that the order names.
    pub fn source(self) -> Option<SourceId> {
        match self {
            Self::Pin(source) | Self::Disable(source) | Self::Enable(source) => Some(source),
            Self::Unpin | Self::Skip => None,
        }
    }
}

/// Why an order cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverrideError {
    /// The channel has no source with this number.
    NoSuchSource,
    /// There is no other source that may be used.
    NoOther,
}

impl Failover {
    /// Takes an order. Leaving the current source, where the order asks for that, is up to whoever
    /// has it open.
    pub fn override_source(&mut self, order: SourceOverride) -> Result<(), OverrideError> {
        if order.source().is_some_and(|source| !self.is_listed(source)) {
            return Err(OverrideError::NoSuchSource);
        }
        match order {
            SourceOverride::Unpin => self.pinned = None,
            SourceOverride::Pin(source) => {
                // Whoever pins a source wants it used, and takes back that it was forbidden.
                self.set_disabled(source, false);
                self.pinned = Some(source);
                self.record_mut(source).pardon();
            }
            SourceOverride::Enable(source) => self.set_disabled(source, false),
            // Refused rather than ignored, so that the admin learns why nothing changes.
            SourceOverride::Skip if self.enabled() < 2 => return Err(OverrideError::NoOther),
            SourceOverride::Skip => {}
            SourceOverride::Disable(source) => {
                // Disabling it twice is fine, but the last one that may be used is kept.
                if !self.is_disabled(source) && self.enabled() < 2 {
                    return Err(OverrideError::NoOther);
                }
                self.set_disabled(source, true);
            }
        }
        Ok(())
    }

    pub(super) fn set_disabled(&mut self, source: SourceId, is_disabled: bool) {
        self.record_mut(source).is_disabled = is_disabled;
    }
}
