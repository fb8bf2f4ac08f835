//! A row becomes a channel when somebody watches it.

use std::sync::Arc;

use forebay_core::lineup::Entry;
use forebay_core::lineup::catchup::ProviderArchive;
use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::xtream::Clock;
use forebay_relay::model::header::{parse_name, parse_user_agent, parse_value};
use forebay_relay::model::{
    Channel, Checker, FieldError, HeadersText, House, SourceFields, SourceSpec, Spec, UrlText, parse_http,
};
use rusqlite::Connection;

use super::channels::{Row, by_number, by_path};
use super::entry::decode;
use super::{Playlist, PlaylistId, account, playlist};
use crate::config::Config;
use crate::config::playlist::PlaylistSpec;
use crate::db::Error;

/// Sources of one channel that are looked at: as many as a channel may have.
const MAX_SOURCES: i64 = 32;

/// Texts for people are cut behind so many characters, as many as a channel's may have.
const MAX_TEXT_CHARS: usize = 256;

/// A channel that was looked up, with all sources that it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The channel as it is listed.
    pub row: Row,
    sources: Vec<FoundSource>,
}

#[derive(Debug, Clone, PartialEq)]
struct FoundSource {
    entry: Entry,
    playlist: Playlist,
    /// The limit that the panel of its account tells.
    max_connections: Option<u32>,
    /// The clock of that panel, by which its archive is asked; UTC where there is none.
    clock: Clock,
}

/// The channel with this path, listed or behind another one.
pub fn find(connection: &Connection, path: &str) -> Result<Option<Found>, Error> {
    by_path(connection, path)?.map(|(row, leader)| with_sources(connection, row, leader)).transpose()
}

/// The listed channel with this number, the first of several.
pub fn find_by_number(connection: &Connection, number: u32) -> Result<Option<Found>, Error> {
    by_number(connection, number)?.map(|(row, leader)| with_sources(connection, row, leader)).transpose()
}

fn with_sources(connection: &Connection, row: Row, leader: Option<SourceId>) -> Result<Found, Error> {
    let leader = leader.unwrap_or(row.id);
    // The leader's own source first, then by age.
    let sql = "SELECT s.playlist_id, s.entry FROM channels c JOIN sources s USING (id)
               WHERE (c.id = ?1 OR c.leader = ?1) AND NOT c.is_absent AND NOT c.is_duplicate
               ORDER BY c.id <> ?1, c.id LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((leader.0, MAX_SOURCES))?;
    let mut sources = Vec::new();
    while let Some(source) = rows.next()? {
        let id = PlaylistId(source.get(0)?);
        let mut entry = Entry::default();
        decode(&source.get::<_, String>(1)?, &mut entry)?;
        let lost = || Error::Damaged(format!("channel {}: its playlist is not there", row.id.0));
        let playlist = playlist(connection, id)?.ok_or_else(lost)?;
        let account = account(connection, id)?.unwrap_or_default();
        let clock = Clock { time_zone: account.time_zone, offset: account.utc_offset };
        sources.push(FoundSource { entry, playlist, max_connections: account.max_connections, clock });
    }
    Ok(Found { row, sources })
}

impl Found {
    /// How many sources it has, whether they can be opened or not.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// The channel, with those of its sources that this configuration allows.
    ///
    /// # Errors
    ///
    /// What is wrong with its sources, if it has no good one.
    pub fn channel(&self, config: &Config) -> Result<Channel, Vec<FieldError>> {
        let (mut channel, mut errors) = (None::<Channel>, Vec::new());
        for source in &self.sources {
            let mut with_source = match self.spec_of(source).check(&source.house(config)) {
                Ok(channel) => channel,
                Err(wrong) => {
                    errors.extend(wrong);
                    continue;
                }
            };
            for checked in &mut with_source.sources {
                checked.archive = source.archive();
            }
            match &mut channel {
                None => channel = Some(with_source),
                // Two spellings of one address are one source.
                Some(channel) => channel.sources.extend(
                    with_source
                        .sources
                        .into_iter()
                        .filter(|it| channel.source(it.id).is_none())
                        .collect::<Vec<_>>(),
                ),
            }
        }
        channel.ok_or(errors)
    }

    /// The channel with one source. What could not be in a channel of the configuration is left
    /// out: providers write what they like.
    fn spec_of(&self, source: &FoundSource) -> Spec {
        let Row { path, number, name, group_title, logo, guide_id, .. } = &self.row;
        Spec {
            id: Some(path.clone()),
            name: words(name),
            number: number.filter(|number| number.minor() == 0).map(|number| number.major().into()),
            group: words(group_title),
            logo: Some(logo.clone()).filter(|logo| parse_http(logo).is_ok()),
            tvg_id: words(guide_id),
            sources: Some(vec![source.spec()]),
            ..Spec::default()
        }
    }
}

impl FoundSource {
    fn spec(&self) -> SourceSpec {
        let of_playlist: &PlaylistSpec = self.playlist.document.spec();
        let (mut headers, mut user_agent) = (Vec::new(), None);
        for (name, value) in self.entry.headers() {
            if name.eq_ignore_ascii_case("user-agent") {
                user_agent = parse_user_agent(&value).ok();
            } else if parse_name(name).is_ok() && parse_value(&value).is_ok() {
                headers.push((name.to_owned(), value.into_owned()));
            }
        }
        let is_new = |name: &str, headers: &[(String, String)]| {
            headers.iter().all(|(known, _)| !known.eq_ignore_ascii_case(name))
        };
        for (name, value) in of_playlist.headers.iter().flat_map(|HeadersText(list)| list) {
            if is_new(name, &headers) {
                headers.push((name.clone(), value.clone()));
            }
        }
        SourceSpec::Fields(Box::new(SourceFields {
            url: Some(UrlText(self.entry.url().to_owned())),
            provider: self.provider().and_then(|provider| provider.id),
            user_agent,
            headers: (!headers.is_empty()).then_some(HeadersText(headers)),
            ..SourceFields::default()
        }))
    }

    /// What its provider has kept of its past.
    fn archive(&self) -> Option<Arc<ProviderArchive>> {
        let archive = ProviderArchive::new(&self.entry.catchup()?, self.entry.url(), self.clock.clone());
        archive.map(Arc::new)
    }

    fn provider(&self) -> Option<forebay_relay::model::ProviderSpec> {
        self.playlist.document.spec().provider(self.playlist.id.provider(), self.max_connections)
    }

    /// What it is checked against: whatever may be named, where the operator named the list.
    fn house(&self, config: &Config) -> House {
        let mut house = config.house_of(self.playlist.has_operators_list());
        if let Some(provider) = self.provider() {
            // It was checked with its playlist. Without it the source's check fails.
            provider.check(&mut Checker::default(), &mut house);
        }
        house
    }
}

/// A text for people as a channel may have it.
fn words(text: &str) -> Option<String> {
    let one_line = text.chars().map(|it| if it.is_control() { ' ' } else { it });
    let text: String = one_line.take(MAX_TEXT_CHARS).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
