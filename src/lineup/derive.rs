//! An entry of a list becomes a channel as everybody sees it.

use std::collections::HashMap;
use std::path::Path;

use forebay_core::lineup::Entry;
use forebay_core::lineup::edits::{Edits, Effective, Layer};
use forebay_core::lineup::identity::{GroupRefresh, MAX_GROUPS, SourceId};
use forebay_core::lineup::merge::{Candidate, Facts};
use forebay_core::lineup::names::fold;
use forebay_core::lineup::number::ChannelNumber;
use forebay_core::lineup::rules::{Rules, Run};
use forebay_relay::model::{SourceKind, SourceUrl};
use rusqlite::Connection;

use super::rules;
use crate::config::playlist::{Origin, Playlist as Settings};
use crate::db::Error;
use crate::db::lineup::{self, Columns, Hidden, PlaylistId, StoredGroup};

/// Longer names in addresses are cut: the number behind makes them different.
const MAX_SLUG: usize = 40;

/// What makes channels of the entries of one playlist.
#[derive(Debug)]
pub(super) struct Deriver<'a> {
    connection: &'a Connection,
    playlist: PlaylistId,
    by_tvg_name: bool,
    /// Its list may name files of this machine.
    may_name_files: bool,
    rules: Rules,
    run: Run,
    groups: HashMap<u64, StoredGroup>,
    edits: HashMap<SourceId, Edits>,
    /// Groups for which there was no room.
    too_many_groups: u64,
    /// What the list says of the numbers of new channels.
    numbers: HashMap<SourceId, ChannelNumber>,
}

impl<'a> Deriver<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        playlist: PlaylistId,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let groups = lineup::groups(connection, playlist)?;
        Ok(Self {
            connection,
            playlist,
            by_tvg_name: settings.reading.by_tvg_name,
            may_name_files: matches!(settings.origin, Origin::File(_)),
            rules: rules::stored(connection, playlist)?,
            run: Run::default(),
            groups: groups.into_iter().map(|group| (group.known.key, group)).collect(),
            edits: lineup::edits_of_playlist(connection, playlist)?,
            too_many_groups: 0,
            numbers: HashMap::new(),
        })
    }

    /// Adds the channel of a new source.
    pub(super) fn insert(&mut self, id: SourceId, entry: &Entry) -> Result<(), Error> {
        let path = path_of(entry.name(), id);
        self.with_columns(id, entry, false, |this, columns, number| {
            if let Some(number) = number {
                this.numbers.insert(id, number);
            }
            lineup::insert(this.connection, id, this.playlist, &path, columns)
        })
    }

    /// Writes the channel of a known source anew. Says whether it could be had before, if anything
    /// is different.
    pub(super) fn update(
        &mut self,
        id: SourceId,
        entry: &Entry,
        is_absent: bool,
    ) -> Result<Option<bool>, Error> {
        self.with_columns(id, entry, is_absent, |this, columns, _| {
            lineup::update(this.connection, id, columns)
        })
    }

    /// What the rules did.
    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    /// Groups for which there was no room.
    pub(super) fn too_many_groups(&self) -> u64 {
        self.too_many_groups
    }

    /// What the list says of the numbers of new channels.
    pub(super) fn into_numbers(self) -> HashMap<SourceId, ChannelNumber> {
        self.numbers
    }

    fn with_columns<T>(
        &mut self,
        id: SourceId,
        entry: &Entry,
        is_absent: bool,
        write: impl FnOnce(&mut Self, &Columns<'_>, Option<ChannelNumber>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let edits = self.edits.remove(&id);
        let mut channel = Effective::of(entry);
        if self.by_tvg_name {
            channel.name.value = entry.name_by_tvg_name().into();
        }
        self.rules.apply(entry, &mut channel, &mut self.run);
        // What users set says how a channel is called, not which one it is.
        let facts = Facts {
            guide_id: &channel.guide_id.value,
            name: &channel.name.value,
            country: channel.country(entry),
            url: entry.url(),
            provider: Some(provider_of(self.playlist)),
        };
        let marks = Candidate::new(id, provider_of(self.playlist), false, &facts).marks();
        if let Some(edits) = &edits {
            channel.overlay(edits);
        }
        let group = self.group(&channel.group.value)?;
        let search = lineup::searched(&channel.name.value, &group.name);
        let columns = Columns {
            rank: i64::from(group.position) << 32 | i64::from(id.0),
            name: &channel.name.value,
            group: group.known.id.0.into(),
            group_title: &group.name,
            logo: &channel.logo.value,
            guide_id: &channel.guide_id.value,
            gracenote_id: &channel.gracenote_id.value,
            search: &search,
            is_adult: channel.is_adult.value,
            hidden: match (channel.is_hidden.value, channel.is_hidden.layer) {
                (false, _) => Hidden::No,
                (true, Layer::Edit) => Hidden::ByUser,
                (true, _) => Hidden::ByRule,
            },
            is_absent: is_absent || !self.is_usable(entry.url()),
            range: channel.number_range.clone(),
            marks,
        };
        let written = write(self, &columns, channel.number.value);
        // The next time it is written, as in a second pass, they are wanted again.
        self.edits.extend(edits.map(|edits| (id, edits)));
        written
    }

    /// The group of this name, which is added where it is new.
    fn group(&mut self, name: &str) -> Result<StoredGroup, Error> {
        let key = GroupRefresh::key(name);
        if let Some(group) = self.groups.get(&key) {
            return Ok(group.clone());
        }
        if self.groups.len() >= MAX_GROUPS && !name.is_empty() {
            self.too_many_groups += 1;
            return self.group("");
        }
        let group = lineup::insert_group(self.connection, self.playlist, key, name)?;
        self.groups.insert(key, group.clone());
        Ok(group)
    }

    /// Whether an address can be opened at all. A list from elsewhere names no files of ours.
    fn is_usable(&self, url: &str) -> bool {
        match SourceUrl::parse(url, Path::new("/")).map(|url| url.kind()) {
            Ok(SourceKind::Http) => true,
            Ok(SourceKind::File) => self.may_name_files,
            _ => false,
        }
    }
}

/// What tells the streams of one provider from those of another: the playlist's own number.
pub(super) fn provider_of(playlist: PlaylistId) -> u32 {
    u32::try_from(playlist.0).unwrap_or(u32::MAX)
}

/// The name of a new channel in addresses: words of its name, and its number, which makes it the
/// only one for ever.
fn path_of(name: &str, SourceId(id): SourceId) -> String {
    let mut slug = String::new();
    for char in fold(name).chars() {
        match char {
            'a'..='z' | '0'..='9' if slug.len() < MAX_SLUG => slug.push(char),
            '+' if slug.len() + 4 < MAX_SLUG => slug.push_str("plus"),
            _ if slug.is_empty() || slug.ends_with('-') || slug.len() >= MAX_SLUG => {}
            _ => slug.push('-'),
        }
    }
    match slug.trim_end_matches('-') {
        "" => format!("channel-{id}"),
        slug => format!("{slug}-{id}"),
    }
}

#[cfg(test)]
mod tests {
    use forebay_relay::model::ChannelId;

    use super::*;

    #[test]
    fn a_path_has_the_words_of_the_name_and_the_number() {
        for (name, expected) in [
            ("BBC One HD", "bbc-one-hd-7"),
            ("UK| Канал 5 (1080p)", "uk-5-1080p-7"),
            ("Das Erste — ARD!", "das-erste-ard-7"),
            ("ITV2+1", "itv2plus1-7"),
            ("第一財經", "channel-7"),
            ("../../etc/passwd", "etc-passwd-7"),
            ("a.m3u8", "a-m3u8-7"),
            ("", "channel-7"),
            ("Ångström Télé", "angstrom-tele-7"),
        ] {
            let path = path_of(name, SourceId(7));
            assert_eq!(path, expected);
            assert!(path.parse::<ChannelId>().is_ok());
        }
        let long = path_of(&"x".repeat(200), SourceId(u32::MAX));
        assert!(long.parse::<ChannelId>().is_ok(), "{long}");
    }
}
