//! Rows of playlists, sources and channels.

use std::path::Path;

use forebay_core::lineup::edits::Edit;
use forebay_core::lineup::identity::Identity;
use forebay_core::lineup::number::ChannelNumber;
use forebay_core::lineup::{Entry, Origin};
use forebay_relay::model::{ProviderId, Scope};
use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::config::playlist::PlaylistSpec;
use crate::db::Document;
use crate::db::migrations::{self, MIGRATIONS};

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    migrations::upgrade(&connection, Path::new("memory"), MIGRATIONS).unwrap();
    connection
}

fn document(value: Value) -> Document<PlaylistSpec> {
    let Value::Object(fields) = value else { panic!("an object") };
    Document::new(fields).unwrap()
}

fn entry(title: &str, url: &str) -> Entry {
    let mut entry = Entry::default();
    entry.set_title(title);
    entry.set_url(url);
    entry
}

/// Adds a channel of this entry to the group, and returns its number.
fn add(connection: &Connection, playlist: &Playlist, group: &StoredGroup, entry: &Entry) -> SourceId {
    let id = insert_source(connection, playlist.id, entry, &Identity::of(entry)).unwrap();
    let columns = Columns {
        rank: i64::from(group.position) << 32 | i64::from(id.0),
        name: entry.name(),
        group: group.known.id.0.into(),
        group_title: &group.name,
        logo: "not an address",
        guide_id: "a.uk",
        gracenote_id: "",
        guide_shift: 0,
        archive_days: 0,
        search: "a",
        is_adult: false,
        hidden: Hidden::No,
        is_missing: false,
        unusable: None,
        range: None,
        marks: [1, 2, u64::MAX],
    };
    let path = format!("c-{}", id.0);
    let new = New { playlist: playlist.id, path: &path, number: None };
    insert(connection, id, &new, &columns).unwrap();
    id
}

fn setup() -> (Connection, Playlist, [StoredGroup; 2]) {
    let connection = database();
    let document = document(json!({ "name": "A", "user_agent": "VLC", "max_connections": 2 }));
    let playlist = insert_playlist(&connection, &document, None).unwrap();
    let groups = ["News", "Sport"]
        .map(|name| insert_group(&connection, playlist.id, 7 + name.len() as u64, name).unwrap());
    (connection, playlist, groups)
}

#[test]
fn a_playlist_is_what_was_written() {
    let (connection, first, _) = setup();
    assert_eq!((first.id, first.name()), (PlaylistId(1), "A"));
    assert_eq!(playlist(&connection, first.id), Ok(Some(first.clone())));
    let other = document(json!({ "name": "B" }));
    let second = insert_playlist(&connection, &other, Some("b")).unwrap();
    assert_eq!(playlist_of_file(&connection, "b"), Ok(Some(second.clone())));
    let taken = insert_playlist(&connection, &other, None);
    assert_eq!(taken, Err(PlaylistError::NameTaken("B".to_owned())));
    let renamed =
        update_playlist(&connection, second.id, &document(json!({ "name": "C" }))).unwrap().unwrap();
    assert_eq!((renamed.name(), renamed.id), ("C", second.id));
    assert_eq!(all_playlists(&connection), Ok(vec![first, renamed]));
    assert_eq!(remove_playlist(&connection, second.id), Ok(true));
    assert_eq!(remove_playlist(&connection, second.id), Ok(false));
}

#[test]
fn channels_are_listed_by_groups_and_found_by_path_and_number() {
    let (connection, playlist, [news, sport]) = setup();
    let last = add(&connection, &playlist, &sport, &entry("Sport 1", "http://h/1"));
    let first = add(&connection, &playlist, &news, &entry("News 1", "http://h/2"));
    let second = add(&connection, &playlist, &news, &entry("News 2", "http://h/3"));
    set_number(&connection, second, ChannelNumber::whole(5)).unwrap();
    set_number(&connection, last, ChannelNumber::of_parts(5, 1)).unwrap();
    let all = list(&connection, None, 10).unwrap();
    assert_eq!(all.iter().map(|row| row.id).collect::<Vec<_>>(), [first, second, last]);
    assert_eq!(list(&connection, Some(all[0].rank), 1).unwrap(), [all[1].clone()]);
    assert_eq!((count(&connection), &*all[2].number.unwrap().to_string()), (Ok(3), "5.1"));
    assert_eq!(find_by_number(&connection, 5).unwrap().unwrap().row, all[1]);
    assert_eq!(find(&connection, "c-1").unwrap().unwrap().row, all[2]);
    assert_eq!(find(&connection, "c-9"), Ok(None));
}

#[test]
fn a_row_becomes_a_channel() {
    let (connection, playlist, [news, _]) = setup();
    let mut own = entry("News\u{7} 1", "http://cdn.example/1.ts");
    own.push(Origin::Vlc, "http-user-agent", "Kodi");
    own.push(Origin::Http, "Range", "bytes=0-");
    own.push(Origin::Http, "X-Key", "k");
    let leader = add(&connection, &playlist, &news, &own);
    let behind = add(&connection, &playlist, &news, &entry("NEWS 1", "http://127.0.0.1/2.ts"));
    let other = add(&connection, &playlist, &news, &entry("News 1", "http://cdn.example/3.ts"));
    set_number(&connection, leader, ChannelNumber::whole(7)).unwrap();
    for id in [behind, other] {
        let merged = Merged { leader: Some(leader), is_duplicate: false, is_shown: true };
        set_merge(&connection, id, merged).unwrap();
    }
    assert_eq!(count(&connection), Ok(1));
    let config = Config::parse("", Path::new("channels.toml")).unwrap();
    let found = find(&connection, "c-1").unwrap().unwrap();
    let channel = found.channel(&config).unwrap();
    assert_eq!((channel.id.as_str(), &*channel.name, channel.number), ("c-1", "News  1", Some(7)));
    assert_eq!((channel.group.as_deref(), channel.logo.as_deref()), (Some("News"), None));
    let addresses: Vec<&str> = channel.sources.iter().map(|it| it.url.expose().as_str()).collect();
    assert_eq!(addresses, ["http://cdn.example/1.ts", "http://cdn.example/3.ts"], "no private one");
    let [first, second] = &channel.sources[..] else { panic!("there are two") };
    assert_eq!((first.user_agent.as_deref(), second.user_agent.as_deref()), (Some("Kodi"), Some("VLC")));
    let names: Vec<&str> = first.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, first.access.scope), (vec!["x-key"], Scope::Internet));
    assert_eq!(first.provider.as_ref().map(ProviderId::as_str), Some("playlist-1"));
    // It goes on playing under its old address.
    let member = find(&connection, "c-2").unwrap().unwrap().channel(&config).unwrap();
    assert_eq!((member.id.as_str(), member.sources), ("c-2", channel.sources));
    assert_eq!(providers(&connection).unwrap()[0].max_connections, 2);
    // What a command on this machine gave may be anywhere. That the file has the playlist is not
    // enough where anybody uploads its list.
    connection.execute("UPDATE playlists SET file_key = 'a'", []).unwrap();
    assert_eq!(find(&connection, "c-1").unwrap().unwrap().channel(&config).unwrap().sources.len(), 2);
    set_of_host(&connection, playlist.id, true).unwrap();
    let channel = find(&connection, "c-1").unwrap().unwrap().channel(&config).unwrap();
    assert_eq!(channel.sources.len(), 3);
}

#[test]
fn a_channel_without_a_good_source_is_none() {
    let (connection, playlist, [news, _]) = setup();
    add(&connection, &playlist, &news, &entry("A", "[NO PUBLIC STREAM]"));
    let config = Config::parse("", Path::new("channels.toml")).unwrap();
    let errors = find(&connection, "c-1").unwrap().unwrap().channel(&config).unwrap_err();
    assert!(errors[0].message.starts_with("source: "), "{errors:?}");
}

#[test]
fn what_is_equal_is_not_written() {
    let (connection, playlist, [news, _]) = setup();
    let id = add(&connection, &playlist, &news, &entry("A", "http://h/"));
    let mut columns = Columns {
        rank: i64::from(news.position) << 32 | 1,
        name: "A",
        group: 1,
        group_title: "News",
        logo: "not an address",
        guide_id: "a.uk",
        gracenote_id: "",
        guide_shift: 0,
        archive_days: 0,
        search: "a",
        is_adult: false,
        hidden: Hidden::No,
        is_missing: false,
        unusable: None,
        range: None,
        marks: [1, 2, u64::MAX],
    };
    let before = connection.total_changes();
    assert_eq!(update(&connection, id, &columns), Ok(None));
    assert_eq!(connection.total_changes(), before);
    columns.range = Some(1..=5);
    assert_eq!(update(&connection, id, &columns), Ok(Some(true)));
    assert_eq!(number_rows(&connection).unwrap()[0].range, Some(1..=5));
}

#[test]
fn what_goes_takes_along_what_belongs_to_it() {
    let (connection, playlist, [news, _]) = setup();
    let [one, two] = ["A", "B"].map(|name| add(&connection, &playlist, &news, &entry(name, "http://h/")));
    let merged = Merged { leader: Some(one), is_duplicate: true, is_shown: true };
    set_merge(&connection, two, merged).unwrap();
    let batch = begin_batch(&connection).unwrap();
    assert_eq!(write_edit(&connection, batch, one, &Edit::Hidden(Some(true))), Ok(true));
    let pair = forebay_core::lineup::merge::Pair::new(one, two).unwrap();
    decide(&connection, pair, Some(forebay_core::lineup::merge::Decision::Force)).unwrap();
    assert_eq!(remove(&connection, one), Ok(Some(("c-1".to_owned(), true))));
    assert_eq!(merge_rows(&connection).unwrap()[0].merged.leader, None, "it stands alone again");
    assert_eq!(decisions(&connection).unwrap(), forebay_core::lineup::merge::Decisions::default());
    assert_eq!(remove_playlist(&connection, playlist.id), Ok(true));
    for table in ["sources", "channels", "channel_groups", "edits", "edit_batch_items", "merge_decisions"] {
        let rows: i64 =
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[test]
fn a_batch_of_edits_is_undone_at_once() {
    let (connection, playlist, [news, _]) = setup();
    let id = add(&connection, &playlist, &news, &entry("A", "http://h/"));
    let first = begin_batch(&connection).unwrap();
    let all = [
        Edit::Name(Some("One".to_owned())),
        Edit::Number("5.1".parse().ok()),
        Edit::Group(Some(String::new())),
        Edit::Hidden(Some(false)),
    ];
    for edit in &all {
        assert_eq!(write_edit(&connection, first, id, edit), Ok(true));
        assert_eq!(write_edit(&connection, first, id, edit), Ok(false), "it is so already");
    }
    assert_eq!(edits(&connection, id).unwrap().list(), all);
    assert_eq!(edits_of_playlist(&connection, playlist.id).unwrap()[&id].list(), all);
    assert_eq!(numbers_set(&connection).unwrap()[&id].to_string(), "5.1");
    let second = begin_batch(&connection).unwrap();
    write_edit(&connection, second, id, &Edit::Name(None)).unwrap();
    assert_eq!(last_batch(&connection), Ok(Some(second)));
    let undo = take_batch(&connection, second).unwrap().unwrap();
    assert_eq!(undo, [(id, all[0].clone())]);
    assert_eq!(take_batch(&connection, second), Ok(None));
    let undo = take_batch(&connection, first).unwrap().unwrap();
    assert_eq!(undo.len(), 4);
    assert!(undo.contains(&(id, Edit::Name(None))));
}
