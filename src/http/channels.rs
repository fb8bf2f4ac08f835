//! The channels as JSON, for pages in which a viewer chooses one: a part of the list at a time, and
//! what stands beside a channel in it.

use std::sync::Arc;

use axum::Json;
use forebay_relay::model::Channel;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::auth::Watching;
use super::error::ApiError;
use super::extract::{ById, Named};
use super::query::Query;

/// Channels in one answer, unless the request says otherwise: two screens of a list.
const DEFAULT_LIMIT: usize = 50;

/// Channels in one answer, at most: some 30 kB.
const MAX_LIMIT: usize = 200;

/// Words of a search that count. Nobody types more to find a channel.
const MAX_WORDS: usize = 8;

/// Characters of a search that count: as many as the longest name has.
const MAX_SEARCH: usize = 256;

/// Channels that are searched before other tasks get a turn: a fraction of a millisecond.
const TURN: usize = 1_000;

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
pub(super) async fn list(state: State, watching: Watching, query: Query) -> Json<ChannelList> {
    let wish = Wish::new(&query);
    let channels = state.channels_for(&watching);
    let (total, found) = if wish.search.is_empty() {
        (channels.len(), channels.iter().skip(wish.offset).take(wish.limit).cloned().collect())
    } else {
        let exact = state.channels.find_by_number_or_id(&wish.search);
        let adult = state.accounts.adult_groups();
        let exact = exact.filter(|channel| watching.watcher.may_watch(channel, &adult));
        search(&channels, exact, &wish).await
    };
    let channels = found.iter().map(|channel| ChannelEntry::new(channel)).collect();
    Json(ChannelList { channels, offset: wish.offset, total })
}

/// `GET /api/channels/{id}`
pub(super) async fn one(
    state: State,
    watching: Watching,
    Named { channel, .. }: Named<ById>,
) -> Result<Json<ChannelInList>, ApiError> {
    let channels = state.channels_for(&watching);
    let position = position(&channels, &channel);
    let position = position.ok_or_else(|| ApiError::unknown_channel(channel.id.as_str()))?;
    // Around the ends, as on a television. A single channel has nothing beside it.
    let count = channels.len();
    let beside = |steps: usize| (count > 1).then(|| ChannelEntry::new(&channels[(position + steps) % count]));
    let ChannelEntry { group, has_logo, id, name, number } = ChannelEntry::new(&channel);
    let (previous, next) = (beside(count - 1), beside(1));
    Ok(Json(ChannelInList { group, has_logo, id, name, next, number, position, previous }))
}

/// The place in the list.
fn position(channels: &[Arc<Channel>], wanted: &Arc<Channel>) -> Option<usize> {
    channels.iter().position(|channel| Arc::ptr_eq(channel, wanted))
}

impl ChannelEntry {
    fn new(channel: &Channel) -> Self {
        Self {
            group: channel.group.clone(),
            has_logo: channel.logo.is_some(),
            id: channel.id.as_str().to_owned(),
            name: channel.name.clone(),
            number: channel.number,
        }
    }
}

/// How many channels match, and those of them that are asked for. First comes `exact`, whose number
/// or id was typed.
async fn search(
    channels: &[Arc<Channel>],
    exact: Option<Arc<Channel>>,
    wish: &Wish,
) -> (usize, Vec<Arc<Channel>>) {
    let text = wish.search.to_lowercase();
    let words: Vec<&str> = text.split_whitespace().take(MAX_WORDS).collect();
    let (mut total, mut found, mut folded) = (0, Vec::new(), String::new());
    let mut take = |channel: &Arc<Channel>| {
        if total >= wish.offset && found.len() < wish.limit {
            found.push(Arc::clone(channel));
        }
        total += 1;
    };
    if let Some(exact) = &exact {
        take(exact);
    }
    for (at, channel) in channels.iter().enumerate() {
        if at % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        let is_exact = exact.as_ref().is_some_and(|exact| Arc::ptr_eq(exact, channel));
        if !is_exact && matches(channel, &words, &mut folded) {
            take(channel);
        }
    }
    (total, found)
}

/// Whether each word is part of the name or of the group. `folded` is room for both in small
/// letters, so that none is allocated per channel.
fn matches(channel: &Channel, words: &[&str], folded: &mut String) -> bool {
    folded.clear();
    folded.extend(channel.name.chars().flat_map(char::to_lowercase));
    if let Some(group) = &channel.group {
        folded.push('\n');
        folded.extend(group.chars().flat_map(char::to_lowercase));
    }
    words.iter().all(|word| folded.contains(word))
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
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn channels() -> Vec<Arc<Channel>> {
        let entries = [
            ("news", "News Zürich HD", "number = 7\ngroup = 'Schweiz'"),
            ("sport", "Sport 7", "number = 8"),
            ("film", "ФИЛЬМ", "number = 9\ngroup = 'Films'"),
            ("9", "Nine", ""),
        ];
        let texts = entries.map(|(id, name, more)| {
            format!("[[channels]]\nid = '{id}'\nname = '{name}'\nsources = ['testcard://']\n{more}\n")
        });
        Config::parse(&texts.concat(), Path::new("channels.toml")).unwrap().channels
    }

    async fn found(query: &str, exact: Option<usize>) -> (usize, Vec<String>) {
        let channels = channels();
        let exact = exact.map(|at| Arc::clone(&channels[at]));
        let (total, found) = search(&channels, exact, &Wish::new(&query.into())).await;
        (total, found.iter().map(|channel| channel.id.as_str().to_owned()).collect())
    }

    #[tokio::test]
    async fn all_words_have_to_be_in_the_name_or_the_group() {
        for (query, ids) in [
            ("search=zürich", vec!["news"]),
            ("search=SCHWEIZ+hd", vec!["news"]),
            ("search=%D1%84%D0%B8%D0%BB%D1%8C%D0%BC", vec!["film"]),
            ("search=news+sport", vec![]),
            ("search=n", vec!["news", "9"]),
            ("search=n&offset=1", vec!["9"]),
            ("search=n&limit=1", vec!["news"]),
        ] {
            assert_eq!(found(query, None).await.1, ids, "{query}");
        }
    }

    #[tokio::test]
    async fn the_channel_whose_number_was_typed_comes_first_and_once() {
        assert_eq!(found("search=7", Some(0)).await, (2, vec!["news".to_owned(), "sport".to_owned()]));
        assert_eq!(found("search=7&offset=1", Some(0)).await, (2, vec!["sport".to_owned()]));
    }

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
