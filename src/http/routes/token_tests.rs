//! What it costs to show who one is.

use http::Method;
use serde_json::json;
use tokio::time::{Duration, timeout};

use super::tests::{House, Sender};
use crate::accounts::{Actor, Maker, UserChange};
use crate::db::api_keys::Scope;
use crate::db::stream_tokens::TokenSpec;
use crate::db::users::Tier;

/// Whoever waits longer than that waits for a picture, and has been let in.
const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn whoever_shows_a_token_a_key_or_a_password_is_let_in_without_the_database() {
    let house = House::with_database();
    let accounts = &house.state.accounts;
    let fields = json!({ "name": "ann", "password": "correct horse", "role": "viewer" });
    let new = UserChange::new(fields.as_object().unwrap().clone()).unwrap();
    let ann = accounts.create_user(&Actor::Command, new).await.unwrap();
    let spec = TokenSpec { channel: Some("one".into()), ..TokenSpec::default() };
    let token = accounts.create_token(Maker::User(ann.id), Tier::Pro, spec).await.unwrap();
    let (_, key) = accounts.create_key(&Actor::Command, "player", vec![Scope::Watch], None).await.unwrap();
    let bearer = format!("Bearer {}", key.reveal());
    let (token, own) = (token.text.reveal(), &*ann.stream_key);

    let before = house.state.database.counts();
    for (path, authorization) in [
        (format!("/t/{token}/stream/one"), None),
        (format!("/stream/one?token={token}"), None),
        (format!("/stream/one/index.m3u8?token={token}"), None),
        (format!("/stream/one/hls/segment_1.ts?token={token}"), None),
        (format!("/api/streaming/stream/{token}"), None),
        (format!("/t/{own}/stream/one"), None),
        (format!("/stream/one?token={own}"), None),
        (format!("/live/ann/{own}/one.ts"), None),
        ("/live/ann/correct%20horse/one.ts".to_owned(), None),
        ("/stream/one".to_owned(), Some(&*bearer)),
        ("/stream/one?token=guessed".to_owned(), None),
    ] {
        let fields: Vec<(&'static str, &str)> =
            authorization.iter().map(|shown| ("authorization", *shown)).collect();
        // Far away, so that something has to be shown.
        let sender = Sender::new("a player", "192.0.2.9", "tv.lan:8080", &fields);
        for _ in 0..10 {
            let answer = timeout(SOON, house.ask(&Method::GET, &path, &sender)).await;
            let status = answer.map_or(200, |answer| answer.status().as_u16());
            assert_eq!(status == 401, path.ends_with("guessed"), "{path}: {status}");
        }
    }
    assert_eq!(house.state.database.counts(), before);
}
