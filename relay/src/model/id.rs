//! The id of a channel.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use forebay_core::transcode::ProfileName;

/// Names a channel in paths (`/stream/{id}`), logs and metrics: 1 to 64 characters of `A-Z a-z 0-9
/// . _ -`.
///
/// Kodi guesses the kind of a stream from `.m3u8`, `.mpd` or `.ism` anywhere in its URL, and
/// `/stream/{id}.ts` is the same channel as `/stream/{id}`, so an id which would mislead either is
/// refused. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(Arc<str>);

/// Stands between the id of a channel and the name of a profile.
const VARIANT: char = '@';

/// Why a text is not a [`ChannelId`]. It follows the words "the id …" or "id …:" and does not
/// repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelIdError {
    /// There is no character in it.
    #[error("must not be empty")]
    Empty,
    /// It is longer than 64 characters.
    #[error("is longer than 64 characters")]
    TooLong,
    /// A character which would need escaping in a URL or a file name.
    #[error("must not contain {0:?}; use A-Z a-z 0-9 . _ -")]
    Character(char),
    /// `.` and `..` mean folders in a path.
    #[error("must not be \".\" or \"..\"")]
    Dots,
    /// It ends like a file, and the route adds that ending itself.
    #[error("must not end in {0:?}; paths get that ending by themselves")]
    Ending(&'static str),
    /// It holds a piece by which players guess the kind of a stream.
    #[error("must not contain {0:?}; players would take the stream for something else")]
    Sniffed(&'static str),
}

impl ChannelId {
    /// The longest id, in characters: it is a label in metrics and a folder name.
    pub const MAX_LEN: usize = 64;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of this channel in a profile: `sport@low`. Nobody can type such an id in a list of
    /// channels, so it is never taken.
    #[must_use]
    pub fn variant(&self, profile: &ProfileName) -> Self {
        Self(format!("{}{VARIANT}{profile}", self.0).into())
    }

    /// By which connections for the past of this channel are claimed: not even a variant has a
    /// space in its id.
    #[must_use]
    pub(crate) fn past(&self) -> Self {
        Self(format!("{} past", self.0).into())
    }

    /// Of a variant, the id of its channel and the name of its profile.
    pub fn as_variant(&self) -> Option<(&str, &str)> {
        Self::split(&self.0)
    }

    /// The parts of a text that may be the id of a variant.
    pub fn split(text: &str) -> Option<(&str, &str)> {
        text.rsplit_once(VARIANT)
    }

    /// The id by which rights are given: that of the channel of which it is a variant, else its
    /// own.
    pub fn base(&self) -> &str {
        self.as_variant().map_or(&self.0, |(base, _)| base)
    }

    /// The same text, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl FromStr for ChannelId {
    type Err = ChannelIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_characters(text)?;
        if matches!(text, "." | "..") {
            return Err(ChannelIdError::Dots);
        }
        // Players compare without regard to case.
        let lower = text.to_ascii_lowercase();
        if let Some(ending) = [".ts", ".m3u8"].into_iter().find(|ending| lower.ends_with(ending)) {
            return Err(ChannelIdError::Ending(ending));
        }
        // Anywhere in it: Kodi looks for these in the whole address, not only at its end.
        if let Some(piece) = [".m3u8", ".mpd", ".ism"].into_iter().find(|piece| lower.contains(piece)) {
            return Err(ChannelIdError::Sniffed(piece));
        }
        Ok(Self(text.into()))
    }
}

/// What the ids of channels and of providers have in common: how long they are, and of which
/// characters.
pub(super) fn check_characters(text: &str) -> Result<(), ChannelIdError> {
    if text.is_empty() {
        return Err(ChannelIdError::Empty);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if let Some(found) = text.chars().find(|&c| !allowed(c)) {
        return Err(ChannelIdError::Character(found));
    }
    if text.len() > ChannelId::MAX_LEN {
        return Err(ChannelIdError::TooLong);
    }
    Ok(())
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for ChannelId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ChannelId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_a_path_and_a_player_can_carry() {
        for id in ["a", "Sport.TV_1-hd", "1", "...", "ts", "a.tsv", &"x".repeat(64)] {
            assert_eq!(id.parse::<ChannelId>().as_ref().map(ChannelId::as_str), Ok(id));
        }
    }

    #[test]
    fn refuses_the_rest_with_the_reason() {
        use ChannelIdError::{Character, Dots, Empty, Ending, Sniffed, TooLong};
        for (id, expected) in [
            ("", Empty),
            (&*"x".repeat(65), TooLong),
            ("a b", Character(' ')),
            ("a/b", Character('/')),
            ("é", Character('é')),
            (".", Dots),
            ("..", Dots),
            ("sport.ts", Ending(".ts")),
            ("sport.TS", Ending(".ts")),
            ("sport.m3u8", Ending(".m3u8")),
            ("sport.m3u8.hd", Sniffed(".m3u8")),
            ("a.mpd", Sniffed(".mpd")),
            ("a.isml", Sniffed(".ism")),
        ] {
            assert_eq!(id.parse::<ChannelId>(), Err(expected), "{id:?}");
        }
    }
}
