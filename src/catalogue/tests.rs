//! Lists, and what is different in the next one.

use std::path::Path;

use forebay_relay::input::Sources;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::*;
use crate::db::{Document, relays};

/// A catalogue over a database in a folder of its own.
struct House {
    catalogue: Catalogue,
    _folder: TempDir,
}

fn config(text: &str) -> Arc<Config> {
    Arc::new(Config::parse(text, Path::new("channels.toml")).unwrap())
}

fn channel(id: &str, more: &str) -> String {
    format!("[[channels]]\nid = '{id}'\nsources = ['testcard://']\n{more}\n")
}

fn document(value: Value) -> Document {
    let Value::Object(fields) = value else { panic!("an object") };
    Document::new(fields).unwrap()
}

impl House {
    fn new(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let database = Database::open(&folder.path().join("data")).unwrap();
        let hls_dir = folder.path().join("hls");
        let run = |lookup| Channels::new(lookup, &[], &hls_dir, Arc::new(Sources::new()), Handle::current());
        let catalogue = Catalogue::start(&config(text), database, run).unwrap();
        Self { catalogue, _folder: folder }
    }

    /// Writes a relay, as the API would; what is then to be taken.
    async fn write(&self, value: Value) -> RelayChange {
        let document = document(value);
        let write = move |connection: &_| {
            let relay = relays::insert(connection, &document).unwrap();
            let after = relay.document.spec().id.as_deref().map(|id| id.parse().unwrap());
            Ok::<_, Error>(RelayChange { relay: relay.id, before: None, after })
        };
        self.catalogue.database.write(write).await.unwrap()
    }

    async fn create(&self, value: Value) -> RelayChange {
        let change = self.write(value).await;
        self.catalogue.take_relay(&change);
        change
    }

    async fn update(&self, relay: RelayId, value: Value) -> RelayChange {
        let document = document(value);
        let write = move |connection: &_| {
            let mut before = None;
            let relay = relays::update(connection, relay, |old| {
                before = old.document.spec().id.as_deref().map(|id| id.parse().unwrap());
                Ok::<_, relays::RelayError>(document.clone())
            });
            let relay = relay.unwrap().unwrap();
            let after = relay.document.spec().id.as_deref().map(|id| id.parse().unwrap());
            Ok::<_, Error>(RelayChange { relay: relay.id, before, after })
        };
        self.catalogue.database.write(write).await.unwrap()
    }

    async fn remove(&self, relay: RelayId) -> RelayChange {
        let write = move |connection: &_| {
            let relay = relays::remove(connection, relay)?.unwrap();
            let before = relay.document.spec().id.as_deref().map(|id| id.parse().unwrap());
            Ok::<_, Error>(RelayChange { relay: relay.id, before, after: None })
        };
        self.catalogue.database.write(write).await.unwrap()
    }

    async fn name(&self, id: &str) -> Option<String> {
        Some(self.catalogue.find(id).await.unwrap()?.channel.name.clone())
    }

    async fn id(&self, text: &str) -> Option<String> {
        Some(self.catalogue.find_by_id_or_number(text).await.unwrap()?.channel.id.to_string())
    }

    /// The ids and numbers of so many channels behind the first `skip`.
    async fn window(&self, skip: usize, limit: usize) -> Vec<String> {
        let list = self.catalogue.list();
        let read = list.read(move |list, connection| {
            let mut found = Vec::new();
            list.window(connection, skip, limit, |entry| {
                let number = entry.number.map_or_else(String::new, |number| format!(" {number}"));
                found.push(format!("{}{number}", entry.id));
            })?;
            Ok(found)
        });
        read.await.unwrap()
    }

    /// The ids that are found, and how many there are in all.
    async fn search(&self, text: &str, skip: usize, limit: usize) -> (usize, Vec<String>) {
        let exact = self.catalogue.find_by_id_or_number(text).await.unwrap().map(|found| found.channel);
        let search = Search { text: text.to_owned(), exact, skip, limit };
        let list = self.catalogue.list();
        let read = list.read(move |list, connection| {
            let mut found = Vec::new();
            let total = list.search(connection, &search, |entry| found.push(entry.id.to_owned()))?;
            Ok((total, found))
        });
        read.await.unwrap()
    }

    async fn position(&self, id: &str) -> Option<usize> {
        let channel = self.catalogue.find(id).await.unwrap()?.channel;
        let list = self.catalogue.list();
        list.read(move |list, connection| list.position(connection, &channel)).await.unwrap()
    }
}

fn names(ids: impl IntoIterator<Item = impl ToString>) -> Vec<String> {
    let mut names: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_difference_names_what_is_not_as_it_was() {
    let house = House::new(&[channel("a", ""), channel("b", ""), channel("c", "number = 3")].concat());
    let before = house.catalogue.list();
    let after = config(&[channel("d", "number = 3"), channel("c", ""), channel("a", "")].concat());
    let changes = house.catalogue.configure(&after);
    assert_eq!(changes, Changes { added: 1, changed: 1, removed: 1 });
    let list = house.catalogue.list();
    let difference = list.since(&before);
    assert_eq!(names(&difference.added), ["d"]);
    assert_eq!(names(&difference.changed), ["c"]);
    assert_eq!(names(&difference.removed), ["b"]);
    assert!(!difference.is_incomplete, "there are no rows that might be other ones");
    assert_eq!(list.since(&list).count(), Changes::default(), "to stand elsewhere in the list is no change");
    assert_eq!(house.window(0, 9).await, ["d 3", "c", "a"]);
    assert_eq!((house.id("3").await.as_deref(), house.id("b").await), (Some("d"), None));
}

#[tokio::test]
async fn rows_stand_behind_the_configuration_and_are_read_when_they_are_asked_for() {
    let house = House::new(&channel("file", "number = 1"));
    for (id, number) in [("a", 7), ("b", 8), ("c", 9)] {
        let name = id.to_uppercase();
        let row = json!({ "id": id, "name": name, "number": number, "sources": ["testcard://"] });
        house.create(row).await;
    }
    assert_eq!(house.catalogue.list().len(), 4);
    assert_eq!((house.name("b").await.as_deref(), house.id("9").await.as_deref()), (Some("B"), Some("c")));
    assert_eq!((house.name("d").await, house.id("10").await), (None, None));
    assert_eq!(house.window(0, 9).await, ["file 1", "a 7", "b 8", "c 9"]);
    assert_eq!(house.window(2, 1).await, ["b 8"]);
    assert_eq!(house.window(4, 9).await, [""; 0]);
    assert_eq!((house.position("file").await, house.position("c").await), (Some(0), Some(3)));
    // Who asks again gets the same object, and no row is read.
    let [first, second] = [house.catalogue.find("a").await, house.catalogue.find("a").await];
    assert!(Arc::ptr_eq(&first.unwrap().unwrap().channel, &second.unwrap().unwrap().channel));
}

#[tokio::test]
async fn what_was_answered_is_what_is_found() {
    let house = House::new("");
    let named = |name: &str| json!({ "id": "a", "name": name, "number": 7, "sources": ["testcard://"] });
    let relay = house.create(named("One")).await.relay;
    assert_eq!((house.name("a").await.as_deref(), house.id("7").await.as_deref()), (Some("One"), Some("a")));
    // Two changes are written in one order and arrive in another.
    let second = house.update(relay, named("Two")).await;
    let third = house.update(relay, named("Three")).await;
    house.catalogue.take_relay(&third);
    assert_eq!(house.name("a").await.as_deref(), Some("Three"));
    house.catalogue.take_relay(&second);
    assert_eq!(house.name("a").await.as_deref(), Some("Three"));
    // Another path is another channel.
    let moved = json!({ "id": "b", "number": 7, "sources": ["testcard://"] });
    let moved = house.update(relay, moved).await;
    house.catalogue.take_relay(&moved);
    assert_eq!((house.name("a").await, house.name("b").await.as_deref()), (None, Some("b")));
    assert_eq!((house.id("7").await.as_deref(), house.catalogue.list().len()), (Some("b"), 1));
    let removed = house.remove(relay).await;
    house.catalogue.take_relay(&removed);
    assert_eq!((house.name("b").await, house.id("7").await, house.catalogue.list().len()), (None, None, 0));
}

#[tokio::test]
async fn what_the_configuration_has_is_no_relays() {
    let house = House::new("");
    let numbered = |id: &str, number: u32| json!({ "id": id, "number": number, "sources": ["testcard://"] });
    for (id, number) in [("a", 1), ("b", 2), ("c", 3)] {
        house.create(numbered(id, number)).await;
    }
    let both = config(&[channel("a", "name = 'Of the file'"), channel("x", "number = 2")].concat());
    let changes = house.catalogue.configure(&both);
    assert_eq!(changes, Changes { added: 1, changed: 1, removed: 0 });
    assert_eq!(house.window(0, 9).await, ["a", "x 2", "b", "c 3"]);
    assert_eq!(house.window(3, 9).await, ["c 3"]);
    assert_eq!((house.catalogue.list().len(), house.position("c").await), (4, Some(3)));
    assert_eq!(house.name("a").await.as_deref(), Some("Of the file"));
    assert_eq!((house.id("1").await, house.id("2").await.as_deref()), (None, Some("x")));
    assert_eq!(house.catalogue.find("b").await.unwrap().unwrap().channel.number, None);
    assert_eq!(house.search("a", 0, 9).await.1, ["a"]);
    // It lets go of them.
    assert_eq!(house.catalogue.configure(&config("")), Changes { added: 0, changed: 1, removed: 1 });
    assert_eq!(house.window(0, 9).await, ["a 1", "b 2", "c 3"]);
    assert_eq!(house.id("2").await.as_deref(), Some("b"));
}

#[tokio::test]
async fn another_configuration_makes_other_channels_of_the_same_rows() {
    let house = House::new("");
    house.create(json!({ "id": "a", "sources": ["testcard://"] })).await;
    let burst = async || house.catalogue.find("a").await.unwrap().unwrap().channel.policy.burst;
    assert_eq!(burst().await, Duration::from_secs(2));
    house.catalogue.configure(&config("[stream]\nburst = '1s'\n"));
    assert_eq!(burst().await, Duration::from_secs(1));
    assert!(house.catalogue.list().since(&house.catalogue.list()).is_incomplete);
}

#[tokio::test]
async fn all_words_have_to_be_in_the_name_or_the_group() {
    let house = House::new(
        &[
            channel("news", "name = 'News Zürich HD'\nnumber = 7\ngroup = 'Schweiz'"),
            channel("nine", "name = 'Nine'"),
        ]
        .concat(),
    );
    for (id, name, more) in [("sport", "Sport 7", ""), ("film", "ФИЛЬМ", "Films"), ("8", "Acht", "")] {
        let group = (!more.is_empty()).then_some(more);
        house.create(json!({ "id": id, "name": name, "group": group, "sources": ["testcard://"] })).await;
    }
    let all = |ids: &[&str]| (ids.len(), ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
    for (text, ids) in [
        ("zürich", &["news"] as &[&str]),
        ("zurich", &["news"]),
        ("SCHWEIZ hd", &["news"]),
        ("фильм", &["film"]),
        ("news sport", &[]),
        ("n", &["news", "nine"]),
        ("i", &["news", "nine", "film"]),
        // The channel whose number or id was typed comes first, and once.
        ("7", &["news", "sport"]),
        ("8", &["8"]),
        ("sport", &["sport"]),
    ] {
        assert_eq!(house.search(text, 0, 9).await, all(ids), "{text}");
    }
    assert_eq!(house.search("i", 1, 1).await, (3, vec!["nine".to_owned()]));
    assert_eq!(house.search("i", 2, 9).await, (3, vec!["film".to_owned()]));
    assert_eq!(house.search("7", 1, 9).await, (2, vec!["sport".to_owned()]));
}
