//! The channels as JSON, for pages in which a viewer chooses one: a part of the list at a time, and
//! what stands beside a channel in it.

use std::sync::Arc;

use axum::Json;
use forebay_relay::channel::ListedChannel;
use forebay_relay::model::Channel;
use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::auth::Watching;
use super::error::ApiError;
use super::extract::{ById, Named};
use super::logo;
use super::query::Query;
use crate::catalogue::{BEGINNING, List, Search};
use crate::db::Error;
use crate::db::listing::{Entry, Number};

/// Channels in one answer, unless the request says otherwise: two screens of a list.
const DEFAULT_LIMIT: usize = 50;

/// Channels in one answer, at most: some 30 kB.
const MAX_LIMIT: usize = 200;

/// Characters of a search that count: as many as the longest name has.
const MAX_SEARCH: usize = 256;

/// What of the list is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    search: String,
    offset: usize,
    limit: usize,
}

/// The answer to `GET /api/channels`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelList {
    channels: Vec<ChannelEntry>,
    /// As it was asked for.
    offset: usize,
    /// Channels that match.
    total: usize,
}

/// A channel as far as viewers are told: no more than the list for players (`/playlist.m3u`) tells.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelEntry {
    #[schema(required)]
    group: Option<String>,
    has_logo: bool,
    id: String,
    name: String,
    #[schema(required)]
    number: Option<u32>,
}

/// The answer to `GET /api/channels/{id}`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelInList {
    #[schema(required)]
    group: Option<String>,
    has_logo: bool,
    id: String,
    name: String,
    /// The channel behind it, around the end of the list; null where it is the only one.
    #[schema(required)]
    next: Option<ChannelEntry>,
    #[schema(required)]
    number: Option<u32>,
    /// Its place in the list, from 0.
    position: usize,
    /// The channel before it, around the beginning of the list; null where it is the only one.
    #[schema(required)]
    previous: Option<ChannelEntry>,
}

/// `GET /api/channels`
pub(super) async fn list(
    state: State,
    watching: Watching,
    query: Query,
) -> Result<Json<ChannelList>, ApiError> {
    let Wish { search: text, offset, limit } = Wish::new(&query);
    let (list, sight) = (state.catalogue.list(), state.sight(&watching));
    // Somebody who types 5 means channel 5 first, and not each name with a 5 in it.
    let exact = if text.is_empty() { None } else { state.catalogue.find_by_id_or_number(&text).await? };
    let exact = exact.map(|found| found.channel).filter(|channel| sight.sees(&Entry::from(&**channel)));
    let search = Search { text, exact, skip: offset, limit };
    let read = list.read(move |list, connection| {
        let mut channels = Vec::new();
        let take = |entry: Entry<'_>| channels.push(ChannelEntry::from(entry));
        let total = if !sight.sees_all() {
            list.search_among(connection, &search, |entry| sight.sees(entry), take)?
        } else if search.text.is_empty() {
            list.window(connection, offset, limit, take)?;
            list.len()
        } else {
            list.search(connection, &search, take)?
        };
        Ok(ChannelList { channels, offset, total })
    });
    Ok(Json(read.await?))
}

/// `GET /api/channels/{id}`
pub(super) async fn one(
    state: State,
    watching: Watching,
    Named { found: ListedChannel { channel, .. }, .. }: Named<ById>,
) -> Result<Json<ChannelInList>, ApiError> {
    let (list, sight, id) = (state.catalogue.list(), state.sight(&watching), channel.id.clone());
    let read = list.read(move |list, connection| {
        let neighbours = if sight.sees_all() {
            Neighbours::of(list, connection, &channel)?
        } else {
            Neighbours::among(list, connection, &channel, |entry| sight.sees(entry))?
        };
        let Some(Neighbours { position, previous, next }) = neighbours else { return Ok(None) };
        let ChannelEntry { group, has_logo, id, name, number } = Entry::from(&*channel).into();
        Ok(Some(ChannelInList { group, has_logo, id, name, next, number, position, previous }))
    });
    read.await?.map(Json).ok_or_else(|| ApiError::unknown_channel(id.as_str()))
}

/// What stands beside a channel in a list, around the ends, as on a television. A single channel
/// has nothing beside it.
struct Neighbours {
    position: usize,
    previous: Option<ChannelEntry>,
    next: Option<ChannelEntry>,
}

impl Neighbours {
    /// Of all channels; none if the channel is not listed any more.
    fn of(
        list: &List,
        connection: Option<&Connection>,
        channel: &Arc<Channel>,
    ) -> Result<Option<Self>, Error> {
        let Some(position) = list.position(connection, channel)? else { return Ok(None) };
        let count = list.len();
        let beside = |steps: usize| {
            let mut found = None;
            if count > 1 {
                let take = |entry: Entry<'_>| found = Some(ChannelEntry::from(entry));
                // `count - 1` steps forward are one back, around the end.
                list.window(connection, (position + steps) % count, 1, take)?;
            }
            Ok::<_, Error>(found)
        };
        let (previous, next) = (beside(count - 1)?, beside(1)?);
        Ok(Some(Self { position, previous, next }))
    }

    /// Of those that somebody may see, for whom all are looked at.
    fn among(
        list: &List,
        connection: Option<&Connection>,
        channel: &Channel,
        sees: impl Fn(&Entry<'_>) -> bool,
    ) -> Result<Option<Self>, Error> {
        let (mut position, mut count) = (None, 0);
        let (mut first, mut previous, mut next, mut newest) = (None, None, None, None);
        list.walk(connection, BEGINNING, |entry| {
            if !sees(&entry) {
                return true;
            }
            if entry.id == channel.id.as_str() {
                (position, previous) = (Some(count), newest.take());
            } else if count == 0 {
                first = Some(ChannelEntry::from(entry));
            }
            if position.is_some_and(|position| position + 1 == count) {
                next = Some(ChannelEntry::from(entry));
            }
            newest = Some(ChannelEntry::from(entry));
            count += 1;
            true
        })?;
        let others = count > 1;
        Ok(position.map(|position| Self {
            position,
            previous: previous.or(newest).filter(|_| others),
            next: next.or(first).filter(|_| others),
        }))
    }
}

impl From<Entry<'_>> for ChannelEntry {
    fn from(entry: Entry<'_>) -> Self {
        Self {
            group: entry.group.map(str::to_owned),
            has_logo: entry.logo.is_some_and(logo::is_fetched),
            id: entry.id.to_owned(),
            name: entry.name.to_owned(),
            number: entry.number.and_then(Number::whole),
        }
    }
}

impl Wish {
    /// What a query says. A number that is none counts as not said.
    fn new(query: &Query) -> Self {
        let search = query.value("search").unwrap_or_default();
        Self {
            search: search.trim().chars().take(MAX_SEARCH).collect(),
            offset: query.parsed("offset").unwrap_or(0),
            limit: query.parsed("limit").unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_within_its_limits() {
        let wish = |search: &str, offset, limit| Wish { search: search.to_owned(), offset, limit };
        for (query, expected) in [
            ("", wish("", 0, DEFAULT_LIMIT)),
            ("limit=0&offset=-1", wish("", 0, 1)),
            ("limit=1000000&offset=99999999999999999999999", wish("", 0, MAX_LIMIT)),
            ("search=+a%20b+&other=1&offset=20", wish("a b", 20, DEFAULT_LIMIT)),
        ] {
            assert_eq!(Wish::new(&query.into()), expected, "{query}");
        }
        let long = format!("search={}", "x".repeat(MAX_SEARCH + 1));
        assert_eq!(Wish::new(&(&*long).into()).search.len(), MAX_SEARCH);
    }
}
