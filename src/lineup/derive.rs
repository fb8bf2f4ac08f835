//! An entry of a list becomes a channel as everybody sees it.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use forebay_core::lineup::Entry;
use forebay_core::lineup::catchup::ProviderArchive;
use forebay_core::lineup::edits::{Edits, Effective, Layer};
use forebay_core::lineup::identity::{GroupRefresh, MAX_GROUPS, SourceId};
use forebay_core::lineup::m3u::ExtraUrls;
use forebay_core::lineup::merge::{Candidate, Facts};
use forebay_core::lineup::names::{Name, fold};
use forebay_core::lineup::number::{ChannelNumber, FreeNumbers};
use forebay_core::lineup::rules::{Rules, Run};
use forebay_core::lineup::xtream::Clock;
use forebay_relay::model::{SourceKind, SourceUrl};
use rusqlite::Connection;

use super::{reaches_private, rules};
use crate::config::Config;
use crate::config::playlist::{Origin, Playlist as Settings};
use crate::db::Error;
use crate::db::lineup::{self, Columns, Hidden, New, Playlist, PlaylistId, StoredGroup, Unusable};

/// Longer names in addresses are cut: the number behind makes them different.
const MAX_SLUG: usize = 40;

/// What makes channels of the entries of one playlist.
#[derive(Debug)]
pub(super) struct Deriver<'a> {
    connection: &'a Connection,
    config: &'a Config,
    playlist: PlaylistId,
    by_tvg_name: bool,
    /// Further addresses of an entry are sources of their own.
    by_address: bool,
    reach: Reach,
    rules: Rules,
    run: Run,
    groups: Groups<'a>,
    edits: HashMap<SourceId, Edits>,
    /// Channels that were written and cannot be played.
    unplayable: u64,
    /// Numbers for new channels, looked up with the first one.
    free: Option<FreeNumbers>,
}

/// What a list may name besides addresses on the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reach {
    /// Addresses on private networks.
    private: bool,
    /// Files of this machine.
    files: bool,
}

impl<'a> Deriver<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        config: &'a Config,
        playlist: &Playlist,
        settings: &Settings,
    ) -> Result<Self, Error> {
        Ok(Self {
            connection,
            config,
            playlist: playlist.id,
            by_tvg_name: settings.reading.by_tvg_name,
            by_address: settings.reading.extra_urls == ExtraUrls::Alternates,
            reach: Reach {
                private: reaches_private(config, playlist),
                files: matches!(settings.origin, Origin::File(_)),
            },
            rules: rules::stored(connection, playlist.id)?,
            run: Run::default(),
            groups: Groups::read(connection, playlist.id)?,
            edits: lineup::edits_of_playlist(connection, playlist.id)?,
            unplayable: 0,
            free: None,
        })
    }

    /// Adds the channel of a new source, with its number. One that is listed for another from the
    /// beginning takes none from those that follow.
    pub(super) fn insert(&mut self, id: SourceId, entry: &Entry, is_further: bool) -> Result<(), Error> {
        // Once, of the first name: addresses stay when a provider renames the channel.
        let path = path_of(entry.name(), id);
        self.with_columns(id, entry, false, |this, columns, wanted| {
            // One that a rule leaves out takes no number from the others.
            let number = match columns.hidden {
                _ if is_further => None,
                Hidden::ByRule => None,
                Hidden::No | Hidden::ByUser => this.free()?.take(columns.range.as_ref(), wanted),
            };
            let new = New { playlist: this.playlist, path: &path, number };
            lineup::insert(this.connection, id, &new, columns)
        })
    }

    /// Writes the channel of a known source anew. Says whether it could be had before, if anything
    /// is different.
    pub(super) fn update(
        &mut self,
        id: SourceId,
        entry: &Entry,
        is_missing: bool,
    ) -> Result<Option<bool>, Error> {
        self.with_columns(id, entry, is_missing, |this, columns, _| {
            lineup::update(this.connection, id, columns)
        })
    }

    /// What the rules did.
    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    /// Channels that were written and cannot be played.
    pub(super) fn unplayable(&self) -> u64 {
        self.unplayable
    }

    /// Channels whose group is one too many.
    pub(super) fn too_many_groups(&self) -> u64 {
        self.groups.too_many
    }

    /// Numbers that nobody has: no channel of the configuration, no relay, no channel of a
    /// playlist.
    fn free(&mut self) -> Result<&mut FreeNumbers, Error> {
        // Read only when a channel is new: most refreshes bring none.
        if self.free.is_none() {
            self.free = Some(free_numbers(self.connection, self.config)?);
        }
        Ok(self.free.as_mut().expect("it was made just now"))
    }

    fn with_columns<T>(
        &mut self,
        id: SourceId,
        entry: &Entry,
        is_missing: bool,
        write: impl FnOnce(&mut Self, &Columns<'_>, Option<ChannelNumber>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // Taken out for the time of the call, since the rest of the deriver is borrowed as well.
        let edits = self.edits.remove(&id);
        let mut channel = Effective::of(entry);
        if self.by_tvg_name {
            channel.name.value = entry.name_by_tvg_name().into();
        }
        // In this order: the list says, rules change that,
        // and what a person has set stands above both.
        self.rules.apply(entry, &mut channel, &mut self.run);
        // In front of the edits: a new name must not tear a channel from its other sources.
        let marks = self.marks(id, entry, &channel);
        if let Some(edits) = &edits {
            channel.overlay(edits);
        }
        let group = self.groups.find(&channel.group.value)?;
        let search = format!("{}\n{}", fold(&channel.name.value), group.folded);
        let columns = Columns {
            rank: lineup::rank(group.stored.position, channel.place.value, id),
            name: &channel.name.value,
            group: group.stored.known.id.0.into(),
            group_title: &group.stored.name,
            logo: &channel.logo.value,
            guide_id: &channel.guide_id.value,
            gracenote_id: &channel.gracenote_id.value,
            // It says how the guide is wrong that the list means, and nothing of any other.
            guide_shift: match channel.guide_id.layer {
                Layer::Provider => entry.guide_shift(),
                _ => 0,
            },
            // The clock of the panel says which address it has, and not whether it has one.
            archive_days: entry
                .catchup()
                .and_then(|catchup| ProviderArchive::new(&catchup, entry.url(), Clock::default()))
                .map_or(0, |archive| archive.days()),
            search: &search,
            is_adult: channel.is_adult.value,
            hidden: match (channel.is_hidden.value, channel.is_hidden.layer) {
                (false, _) => Hidden::No,
                (true, Layer::Edit) => Hidden::ByUser,
                (true, _) => Hidden::ByRule,
            },
            is_missing,
            unusable: self.reach.refusal(entry.url()),
            range: channel.number_range.clone(),
            marks,
        };
        self.unplayable += u64::from(columns.unusable.is_some());
        let written = write(self, &columns, channel.number.value);
        // The next time it is written, as in a second pass, they are wanted again.
        self.edits.extend(edits.map(|edits| (id, edits)));
        written
    }

    /// By what it may be one with channels of other playlists. What users set says how a channel is
    /// called, not which one it is.
    fn marks(&self, id: SourceId, entry: &Entry, channel: &Effective<'_>) -> [u64; 3] {
        let name = Name::of(&channel.name.value);
        let facts = Facts {
            guide_id: &channel.guide_id.value,
            name: &channel.name.value,
            country: channel.country(entry, &name),
            url: entry.url(),
            provider: Some(provider_of(self.playlist)),
            is_by_address: self.by_address,
        };
        Candidate::with_name(id, provider_of(self.playlist), false, &facts, &name).marks()
    }
}

impl Reach {
    /// Why an address cannot be opened at all.
    fn refusal(self, url: &str) -> Option<Unusable> {
        // Entries are absolute by now, so the folder does not matter.
        let Ok(url) = SourceUrl::parse(url, Path::new("/")) else { return Some(Unusable::Unsupported) };
        match url.kind() {
            SourceKind::Http if self.private || url.is_on_internet() => None,
            SourceKind::Datagrams if self.private => None,
            SourceKind::Http | SourceKind::Datagrams => Some(Unusable::Private),
            SourceKind::File if self.files => None,
            SourceKind::File => Some(Unusable::File),
            _ => Some(Unusable::Unsupported),
        }
    }
}

/// The groups of a playlist.
#[derive(Debug)]
struct Groups<'a> {
    connection: &'a Connection,
    playlist: PlaylistId,
    /// By the marks of their names.
    by_key: HashMap<u64, Rc<Group>>,
    /// As the list wrote it, and what it is: the next entry mostly has the same.
    last: Option<(String, Rc<Group>)>,
    /// Channels for whose group there was no room.
    too_many: u64,
}

/// A group, and how its name is searched.
#[derive(Debug)]
struct Group {
    stored: StoredGroup,
    folded: String,
}

impl<'a> Groups<'a> {
    fn read(connection: &'a Connection, playlist: PlaylistId) -> Result<Self, Error> {
        let all = lineup::groups(connection, playlist)?;
        let by_key = all.into_iter().map(|group| (group.known.key, Rc::new(Group::new(group)))).collect();
        Ok(Self { connection, playlist, by_key, last: None, too_many: 0 })
    }

    /// The group of this name, which is added where it is new.
    fn find(&mut self, name: &str) -> Result<Rc<Group>, Error> {
        if let Some((last, group)) = &self.last
            && last == name
        {
            return Ok(Rc::clone(group));
        }
        // Too many groups: the channel stays, without one.
        let Some(group) = self.look_up(name)? else {
            self.too_many += 1;
            // The group without a name is always there, or may be made, so this ends.
            return self.find("");
        };
        self.last = Some((name.to_owned(), Rc::clone(&group)));
        Ok(group)
    }

    /// The same; `None` where it is one too many.
    fn look_up(&mut self, name: &str) -> Result<Option<Rc<Group>>, Error> {
        let key = GroupRefresh::key(name);
        if let Some(group) = self.by_key.get(&key) {
            return Ok(Some(Rc::clone(group)));
        }
        if self.by_key.len() >= MAX_GROUPS && !name.is_empty() {
            return Ok(None);
        }
        let stored = lineup::insert_group(self.connection, self.playlist, key, name)?;
        let group = Rc::new(Group::new(stored));
        self.by_key.insert(key, Rc::clone(&group));
        Ok(Some(group))
    }
}

impl Group {
    fn new(stored: StoredGroup) -> Self {
        let folded = fold(&stored.name);
        Self { stored, folded }
    }
}

/// Numbers that no channel has, wherever it is from.
fn free_numbers(connection: &Connection, config: &Config) -> Result<FreeNumbers, Error> {
    let others = config.channels.iter().filter_map(|channel| channel.number);
    let others = others.chain(lineup::relay_numbers(connection)?).filter_map(ChannelNumber::whole);
    // Also of channels that have no such number now: it is theirs when they come back.
    let of_users = lineup::numbers_set(connection)?.into_values();
    Ok(FreeNumbers::new(lineup::numbers(connection)?.into_iter().chain(others).chain(of_users)))
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
