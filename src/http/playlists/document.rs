//! A playlist as the API writes it.

use std::sync::atomic::Ordering;

use forebay_core::lineup::UnixTime;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::extract::JsonRequest;
use crate::lineup::{Progress, Readings, Refreshed, Summary, View, reason_of};

/// What only the server says: a document that was read may be sent back as it is.
const READ_ONLY: [&str; 6] = ["id", "created_at", "changed_at", "owner", "reaches_private", "state"];

/// A playlist, as it is told to an admin: addresses and passwords are whole.
// The fields are in alphabetical order; so it is with the others here.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct PlaylistDocument {
    /// When it was last changed, in UTC (RFC 3339).
    changed_at: String,
    /// When it was created, in UTC (RFC 3339).
    created_at: String,
    /// Its number, which is never given to another playlist.
    id: i64,
    /// Its name.
    name: String,
    /// `api`, or `configuration` where it can be changed in the configuration file only.
    owner: &'static str,
    /// Whether its channels may be on private networks: the operator has named the list, in the
    /// configuration or by a command, or the configuration allows it to everybody.
    reaches_private: bool,
    /// How it is read.
    state: PlaylistState,
    /// Whatever else was set, in the words of `[[playlists]]`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
}

/// How a playlist is read.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct PlaylistState {
    /// What the panel says of the account; null for lists.
    #[schema(required)]
    account: Option<AccountDocument>,
    /// Why the last reading failed; null where it did not.
    #[schema(required)]
    error: Option<String>,
    /// The list that is held; null where none is.
    #[schema(required)]
    held: Option<HeldList>,
    /// When it is read again; null where it is not.
    #[schema(required)]
    next_at: Option<String>,
    /// How far the reading is; null where it is not being read.
    #[schema(required)]
    progress: Option<ProgressDocument>,
    /// When it was last read, with success or not; null where it was not since the start.
    #[schema(required)]
    read_at: Option<String>,
    /// What was in the list that was taken last, and what it changed; null before the first one.
    #[schema(required)]
    summary: Option<Summary>,
    /// When the list was taken that the channels are of; null before the first one.
    #[schema(required)]
    taken_at: Option<String>,
}

/// A list that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct HeldList {
    /// When, in UTC (RFC 3339).
    at: String,
    /// Whether it can be accepted.
    is_acceptable: bool,
    /// Why.
    message: String,
    /// The code of why: `cut_short`, `empty`, `hls_playlist`, `html`, `json`, `no_list` or
    /// `too_many_gone`.
    reason: String,
}

/// What a panel says of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct AccountDocument {
    /// When it ends, in UTC (RFC 3339); null where it does not.
    #[schema(required)]
    expires_at: Option<String>,
    /// Whether it is for trying only.
    is_trial: bool,
    /// How many connections it allows at a time; null where the panel tells none.
    #[schema(required)]
    max_connections: Option<u32>,
    /// What the panel has to say.
    message: String,
    /// `active`, `expired`, `banned`, `disabled`, or the panel's own word.
    status: String,
    /// The zone of its times.
    time_zone: String,
    /// How far that is ahead of UTC, in seconds; null where the panel does not tell.
    #[schema(required)]
    utc_offset: Option<i32>,
}

/// How far a reading is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct ProgressDocument {
    /// Bytes that have come.
    bytes: u64,
    /// Channels that were read.
    channels: u64,
    /// Bytes of the whole; null where nobody knows.
    #[schema(required)]
    length: Option<u64>,
}

/// All playlists.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct PlaylistList {
    /// In the order of their numbers.
    pub(super) playlists: Vec<PlaylistDocument>,
}

/// What a playlist is to be, or what of it is to change.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub(in crate::http) struct PlaylistFields(Map<String, Value>);

/// What became of a list that was sent or accepted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct Taken {
    /// Whether it is the one that was taken last.
    unchanged: bool,
    /// What was in it, and what it changed; null where it is unchanged.
    #[schema(required)]
    summary: Option<Summary>,
}

impl JsonRequest for PlaylistFields {
    const EXAMPLE: &'static str = r#"{"name": "My provider", "url": "http://provider.example/list.m3u"}"#;
}

impl PlaylistFields {
    /// The same in the words of the configuration file.
    pub(super) fn into_words(self) -> Map<String, Value> {
        let Self(mut fields) = self;
        for word in READ_ONLY {
            fields.remove(word);
        }
        fields
    }
}

impl PlaylistDocument {
    /// Its number.
    pub(super) fn id(&self) -> i64 {
        self.id
    }
}

impl From<View> for PlaylistDocument {
    fn from(view: View) -> Self {
        let mut settings = view.playlist.document.fields().clone();
        for word in ["name", "id"] {
            settings.remove(word);
        }
        Self {
            changed_at: time(view.playlist.changed_at),
            created_at: time(view.playlist.created_at),
            id: view.playlist.id.0,
            name: view.playlist.name().to_owned(),
            owner: if view.playlist.file_key.is_some() { "configuration" } else { "api" },
            reaches_private: view.playlist.reaches_private == Some(true),
            settings,
            state: PlaylistState::of(view),
        }
    }
}

impl PlaylistState {
    fn of(view: View) -> Self {
        let Readings { running, last, next_at, .. } = view.readings;
        let held = view.held.map(|held| {
            let (reason, message) = reason_of(&held);
            HeldList { at: seconds(held.at), is_acceptable: held.is_acceptable, message, reason }
        });
        let account = view.account.map(|account| AccountDocument {
            expires_at: account.expires_at.map(seconds),
            is_trial: account.is_trial,
            max_connections: account.max_connections,
            message: account.message,
            status: account.status,
            time_zone: account.time_zone,
            utc_offset: account.utc_offset,
        });
        Self {
            account,
            error: last.as_ref().and_then(|last| last.error.clone()),
            held,
            next_at: next_at.map(time),
            progress: running.map(|progress| ProgressDocument::from(&*progress)),
            read_at: last.map(|last| time(last.at)),
            summary: view.taken.as_ref().and_then(|taken| serde_json::from_str(&taken.summary).ok()),
            taken_at: view.taken.map(|taken| seconds(taken.at)),
        }
    }
}

impl From<&Progress> for ProgressDocument {
    fn from(progress: &Progress) -> Self {
        let length = progress.length.load(Ordering::Relaxed);
        Self {
            bytes: progress.bytes.load(Ordering::Relaxed),
            channels: progress.entries.load(Ordering::Relaxed),
            length: (length > 0).then_some(length),
        }
    }
}

impl From<Refreshed> for Taken {
    fn from(refreshed: Refreshed) -> Self {
        match refreshed {
            Refreshed::Unchanged => Self { unchanged: true, summary: None },
            Refreshed::Applied(summary) => Self { unchanged: false, summary: Some(*summary) },
        }
    }
}

fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn seconds(at: UnixTime) -> String {
    Timestamp::from_second(at.seconds()).map(time).unwrap_or_default()
}
