//! Who may name private networks, and what becomes of channels that may not be there.

use serde_json::json;

use super::*;
use crate::db::lineup::Unusable;

/// One channel on the internet, one in the house, one that no program could open.
const LIST: &str = "#EXTM3U\n#EXTINF:-1,Far\nhttp://cdn.example/1.ts\n\
    #EXTINF:-1,Near\nhttp://192.168.1.2/2.ts\n#EXTINF:-1,Nowhere\n[NO PUBLIC STREAM]\n\
    #EXTINF:-1,Disk\nfile:///etc/passwd\n";

/// The names that are listed.
async fn listed(house: &House) -> Vec<String> {
    house.rows().await.into_iter().map(|row| row.name).collect()
}

/// Why each channel cannot be played.
async fn reasons(house: &House) -> Vec<Option<Unusable>> {
    house.all().await.into_iter().map(|channel| channel.unusable).collect()
}

async fn upload(house: &House, id: PlaylistId, list: &str, actor: &Actor) {
    let pieces: Vec<Result<Bytes, InputError>> = vec![Ok(Bytes::copy_from_slice(list.as_bytes()))];
    house.lineup.upload(id, stream::iter(pieces), actor).await.unwrap();
}

#[tokio::test]
async fn a_list_of_the_api_lists_nothing_in_the_house_and_its_rows_say_why() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let summary = house.applied(id, LIST).await;
    assert_eq!((summary.added, summary.unplayable, listed(&house).await), (4, 3, vec!["Far".to_owned()]));
    let reasons = reasons(&house).await;
    let [private, unsupported, file] = [Unusable::Private, Unusable::Unsupported, Unusable::File].map(Some);
    assert_eq!(reasons, [None, private, unsupported, file]);
    let why = |path: &'static str| house.database.read(move |it| lineup::why_unusable(it, path));
    assert_eq!(why("near-2").await, Ok(private));
    assert_eq!((why("far-1").await, why("none").await), (Ok(None), Ok(None)));
    let all = house.all().await;
    assert!(all.iter().all(|channel| !channel.is_missing));
}

#[tokio::test]
async fn what_a_command_on_this_machine_gives_may_be_in_the_house_until_somebody_else_gives_another() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    upload(&house, id, LIST, &Actor::Command).await;
    assert_eq!(listed(&house).await, ["Far", "Near"]);
    // Settings that lead nowhere are no other list.
    let rename = |old: &Document<PlaylistSpec>| old.merged(json!({ "max_loss": 90 }).as_object().unwrap());
    house.lineup.change(id, rename, &Actor::Console).await.unwrap();
    assert_eq!(listed(&house).await, ["Far", "Near"]);
    // The very same list, and it is a word of the API now.
    upload(&house, id, LIST, &Actor::Console).await;
    assert_eq!(listed(&house).await, ["Far"]);
    assert_eq!(house.last_changed().removed, ["near-2"]);
    upload(&house, id, LIST, &Actor::Command).await;
    assert_eq!(listed(&house).await, ["Far", "Near"]);
    // An address that the API gives is the API's.
    let lead = |old: &Document<PlaylistSpec>| {
        old.merged(json!({ "url": "http://e.example/a.m3u" }).as_object().unwrap())
    };
    house.lineup.change(id, lead, &Actor::Console).await.unwrap();
    assert_eq!(listed(&house).await, ["Far"]);
    let home = |old: &Document<PlaylistSpec>| {
        old.merged(json!({ "url": "http://10.0.0.1/a.m3u" }).as_object().unwrap())
    };
    let refused = house.lineup.change(id, home, &Actor::Console).await;
    assert!(matches!(refused, Err(Refusal::Fields(_))));
    house.lineup.change(id, home, &Actor::Command).await.unwrap();
    assert_eq!(listed(&house).await, ["Far", "Near"]);
}

#[tokio::test]
async fn a_held_list_is_taken_by_the_word_of_whoever_gave_it() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let of = |at: u32| entry(&format!("F{at}"), "", "G", &format!("http://cdn.example/{at}.ts"));
    let far: String = (1..=9).map(of).collect();
    upload(&house, id, &far, &Actor::Command).await;
    house.held(id, LIST).await;
    house.lineup.accept(id, &Actor::Console).await.unwrap();
    assert_eq!(listed(&house).await, ["Far"], "it was uploaded by the API");
}

#[tokio::test]
async fn the_configuration_allows_it_to_everybody_or_to_nobody() {
    let house = House::configured("[server]\nallow_private_sources = true\n");
    let id = house.add(json!({ "name": "A" })).await;
    house.applied(id, LIST).await;
    assert_eq!(listed(&house).await, ["Far", "Near"]);
    let closed = house.add(json!({ "name": "B", "allow_private": false, "merge": false })).await;
    house.applied(closed, &LIST.replace("Near", "Home")).await;
    assert_eq!(listed(&house).await, ["Far", "Near", "Far"]);
}

#[tokio::test]
async fn another_configuration_lists_other_channels_at_once() {
    let house = House::configured("[server]\nallow_private_sources = true\n");
    let id = house.add(json!({ "name": "A" })).await;
    house.applied(id, LIST).await;
    let numbers: Vec<_> = house.rows().await.into_iter().map(|row| row.number).collect();
    for (text, names) in
        [("", vec!["Far"]), ("[server]\nallow_private_sources = true\n", vec!["Far", "Near"])]
    {
        let config = Arc::new(Config::parse(text, Path::new("channels.toml")).unwrap());
        house.lineup.0.config.replace(Arc::clone(&config));
        house.lineup.configure(&config).await.unwrap();
        assert_eq!(listed(&house).await, names, "{text}");
    }
    let after: Vec<_> = house.rows().await.into_iter().map(|row| row.number).collect();
    assert_eq!(after, numbers);
}

#[tokio::test]
async fn a_playlist_of_the_configuration_may_name_the_house_where_it_says_where_its_list_is() {
    let text = "[[playlists]]\nid = \"a\"\nurl = \"http://cdn.example/a.m3u\"\n\
                [[playlists]]\nid = \"b\"\n[[playlists]]\nid = \"c\"\nallow_private = true\n";
    let house = House::configured(text);
    let config = house.lineup.0.config.get();
    house.lineup.configure(&config).await.unwrap();
    for (at, names) in [(1, ["Far", "Near"].as_slice()), (2, &["Far"]), (3, &["Far", "Near"])] {
        upload(&house, PlaylistId(at), LIST, &Actor::Console).await;
        let of_it = house.all().await.into_iter().filter(|it| it.playlist == PlaylistId(at));
        let playable: Vec<String> = of_it.filter(|it| it.unusable.is_none()).map(|it| it.row.name).collect();
        assert_eq!(playable, names, "{at}");
    }
}
