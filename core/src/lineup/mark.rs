//! Hashes that are kept in the database, so they never change.

use siphasher::sip::SipHasher13;
use std::hash::Hasher as _;

/// What a mark is of: equal texts of different kinds have different marks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    GuideId = 1,
    Stream = 2,
    Name = 3,
    Address = 4,
    Content = 5,
    Group = 6,
    MergeName = 7,
}

/// Builds the mark of several texts. Where one ends counts.
pub(super) struct Marker(SipHasher13);

impl Marker {
    pub(super) fn new(of: Of) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write_u8(of as u8);
        Self(hasher)
    }

    pub(super) fn add(mut self, text: &str) -> Self {
        self.0.write(text.as_bytes());
        // No text has this byte, which no UTF-8 has.
        self.0.write_u8(0xff);
        self
    }

    pub(super) fn mark(self) -> u64 {
        self.0.finish()
    }
}

/// The mark of one text.
pub(super) fn mark(of: Of, text: &str) -> u64 {
    Marker::new(of).add(text).mark()
}
