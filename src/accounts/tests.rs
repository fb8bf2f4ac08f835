use forebay_relay::model::FieldError;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::*;
use crate::db::api_keys::{KeyId, Scope};
use crate::db::users::{Identity, Role, UserId};

const HOST: &str = "tv.lan:8080";

fn open() -> (TempDir, Accounts) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("data")).unwrap();
    let accounts = Accounts::read(database).unwrap();
    (folder, accounts)
}

fn fields(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else { panic!("an object") };
    fields
}

fn change(value: Value) -> Result<UserChange, Refusal> {
    UserChange::new(fields(value))
}

async fn add(accounts: &Accounts, name: &str, role: Role) -> UserId {
    let new = change(json!({ "name": name, "password": "correct horse", "role": role })).unwrap();
    accounts.create_user(&Actor::Command, new).await.unwrap().id
}

/// What the browser has, and whether somebody is signed in with it at this host.
fn is_signed_in(accounts: &Accounts, cookie: &Secret, host: &str) -> bool {
    accounts.people().signed_in(cookie.reveal(), host, Timestamp::now()).is_some()
}

#[tokio::test]
async fn whoever_has_the_token_of_the_console_becomes_the_first_admin_and_nobody_after() {
    let (_folder, accounts) = open();
    let token = accounts.setup_token().unwrap().reveal().to_owned();
    let guessed = accounts.set_up("guessed", "eve", "correct horse", HOST).await;
    assert_eq!(guessed.err(), Some(Refusal::WrongToken));
    let [one, other] = ["ann", "ben"].map(|name| accounts.set_up(&token, name, "correct horse", HOST));
    let (one, other) = tokio::join!(one, other);
    let refused = [one.as_ref().err(), other.as_ref().err()];
    assert_eq!(refused.iter().flatten().collect::<Vec<_>>(), [&&Refusal::SetUp], "one of two at once");
    let first = one.or(other).unwrap();
    assert_eq!(first.user.spec.role, Role::Admin);
    assert!(is_signed_in(&accounts, &first.cookie, HOST));
    assert!(accounts.setup_token().is_none());
    let late = accounts.set_up(&token, "eve", "correct horse", HOST).await;
    assert_eq!(late.err(), Some(Refusal::SetUp));
}

#[tokio::test]
async fn a_session_holds_for_one_host_and_ends_in_each_way_that_it_can() {
    let (_folder, accounts) = open();
    let ann = add(&accounts, "ann", Role::Operator).await;
    let sign_in = async |password: &str| accounts.sign_in("ANN", password, HOST, None).await;
    assert_eq!(sign_in("wrong horse").await.err(), Some(Refusal::WrongPassword));
    let nobody = accounts.sign_in("nobody", "correct horse", HOST, None).await;
    assert_eq!(nobody.err(), Some(Refusal::WrongPassword));

    let first = sign_in("correct horse").await.unwrap().cookie;
    assert!(is_signed_in(&accounts, &first, HOST) && !is_signed_in(&accounts, &first, "rebound.example"));
    // What the browser had before ends, whoever has put it there.
    let second = accounts.sign_in("ann", "correct horse", HOST, Some(first.reveal())).await.unwrap().cookie;
    assert!(!is_signed_in(&accounts, &first, HOST) && is_signed_in(&accounts, &second, HOST));
    accounts.sign_out(second.reveal()).await.unwrap();
    assert!(!is_signed_in(&accounts, &second, HOST));

    let ends = async |changes: Value| {
        let cookie = sign_in("correct horse").await.unwrap().cookie;
        accounts.change_user(&Actor::Command, ann, fields(changes.clone())).await.unwrap();
        assert!(!is_signed_in(&accounts, &cookie, HOST), "{changes}");
        let back = json!({ "disabled": null, "expires_at": null, "password": "correct horse" });
        accounts.change_user(&Actor::Command, ann, fields(back)).await.unwrap();
    };
    ends(json!({ "disabled": true })).await;
    ends(json!({ "expires_at": "2020-01-01T00:00:00Z" })).await;
    ends(json!({ "password": "another horse" })).await;
    let cookie = sign_in("correct horse").await.unwrap().cookie;
    accounts.remove_user(&Actor::Command, ann).await.unwrap();
    assert!(!is_signed_in(&accounts, &cookie, HOST));
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_with_before_and_after_and_without_a_secret() {
    let (_folder, accounts) = open();
    let ann = add(&accounts, "ann", Role::Viewer).await;
    let changes = json!({ "role": "operator", "password": "another horse" });
    accounts.change_user(&Actor::Command, ann, fields(changes)).await.unwrap();
    let operate = vec![Scope::Operate];
    let (key, secret) = accounts.create_key(&Actor::Command, "script", operate, None).await.unwrap();
    accounts.remove_key(&Actor::Command, key.id).await.unwrap();
    accounts.remove_user(&Actor::Command, ann).await.unwrap();
    let entries = accounts.audit(None, 100).await.unwrap();
    let told: Vec<String> = entries
        .iter()
        .rev()
        .map(|entry| {
            let role = |spec: &Option<Value>| {
                spec.as_ref().map_or_else(|| "-".to_owned(), |spec| spec["name"].to_string())
            };
            format!("{} {} {} {}", entry.action, entry.object, role(&entry.before), role(&entry.after))
        })
        .collect();
    assert_eq!(
        told,
        [
            "user.create user:1 - \"ann\"",
            "user.change user:1 \"ann\" \"ann\"",
            "key.create key:1 - \"script\"",
            "key.remove key:1 \"script\" -",
            "user.remove user:1 \"ann\" -",
        ]
    );
    let roles = entries[3].before.as_ref().zip(entries[3].after.as_ref()).unwrap();
    assert_eq!((&roles.0["role"], &roles.1["role"]), (&json!("viewer"), &json!("operator")));
    let all = format!("{entries:?}");
    assert!(!all.contains("horse") && !all.contains(secret.reveal()) && !all.contains("argon2"), "{all}");
}

#[tokio::test]
async fn a_key_is_good_until_it_is_over_or_taken_away_and_says_when_it_was_used() {
    let (_folder, accounts) = open();
    let create = async |expires_at| {
        accounts.create_key(&Actor::Command, "script", vec![Scope::Read], expires_at).await.unwrap()
    };
    let (key, secret) = create(None).await;
    assert_eq!(accounts.last_use(&key), None);
    assert_eq!(accounts.use_key(secret.reveal()).map(|key| key.id), Some(key.id));
    assert!(accounts.last_use(&key).is_some());
    accounts.write_last_uses().await.unwrap();
    accounts.refresh().await.unwrap();
    assert!(accounts.people().keys()[0].last_used_at.is_some(), "it is in the database");
    assert!(accounts.use_key("fbk_guessed").is_none());
    accounts.remove_key(&Actor::Command, key.id).await.unwrap();
    assert!(accounts.use_key(secret.reveal()).is_none());
    let (_, over) = create(Some(Timestamp::from_second(1).unwrap())).await;
    assert!(accounts.use_key(over.reveal()).is_none());
    let unknown = accounts.remove_key(&Actor::Command, KeyId(99)).await;
    assert_eq!(unknown, Err(Refusal::Unknown { what: "key", id: 99 }));
}

#[tokio::test]
async fn what_cannot_be_written_of_the_use_of_keys_is_kept() {
    let (_folder, accounts) = open();
    let create = accounts.create_key(&Actor::Command, "script", vec![Scope::Read], None);
    let (key, secret) = create.await.unwrap();
    accounts.use_key(secret.reveal()).unwrap();
    let used = accounts.last_use(&key);
    accounts.database().close().await;
    assert!(accounts.write_last_uses().await.is_err());
    assert_eq!((accounts.last_use(&key), used.is_some()), (used, true));
}

#[test]
fn what_is_wrong_with_a_user_is_told_by_its_field() {
    let identity =
        |issuer, subject| json!({ "name": "ann", "identity": { "issuer": issuer, "subject": subject } });
    let wrong = |value: Value| match change(value) {
        Err(Refusal::Fields(errors)) => {
            let FieldError { path, message } = &errors[0];
            format!("{path}: {message}")
        }
        other => panic!("{other:?}"),
    };
    for (value, says) in [
        (json!({}), "?: missing field `name`"),
        (json!({ "name": "a b" }), "name: expected 1 to 64 letters"),
        (json!({ "name": "Live" }), "name: \"Live\" is a part of addresses"),
        (json!({ "name": "ann", "password": "short" }), "password: it is to have 8 characters"),
        (json!({ "name": "ann", "password": 12_345_678 }), "password: expected a string"),
        (json!({ "name": "ann", "priority": 1001 }), "priority: expected a number from -1000 to 1000"),
        (json!({ "name": "ann", "role": "king" }), "role: unknown variant"),
        (json!({ "name": "ann", "expires_at": "soon" }), "expires_at: "),
        (json!({ "name": "ann", "nmae": 1 }), "nmae: unknown field"),
        (identity("", "7"), "identity: expected an issuer and a subject"),
        (identity("https://id.example", ""), "identity: expected an issuer and a subject"),
    ] {
        let told = wrong(value);
        assert!(told.starts_with(says) || says.starts_with('?'), "{told}");
    }
}

#[tokio::test]
async fn an_identity_is_one_users() {
    let (_folder, accounts) = open();
    let identity = |subject: &str| json!({ "issuer": "https://id.example", "subject": subject });
    let create = async |name: &str, subject: &str| {
        let new = change(json!({ "name": name, "identity": identity(subject) })).unwrap();
        accounts.create_user(&Actor::Command, new).await
    };
    let ann = create("ann", "7").await.unwrap();
    let taken = Refusal::Taken("the identity is taken by the user \"ann\"".to_owned());
    assert_eq!(create("eve", "7").await.err(), Some(taken.clone()));
    let eve = create("eve", "8").await.unwrap();
    let set = async |id, fields: Map<String, Value>| accounts.change_user(&Actor::Command, id, fields).await;
    let other = set(eve.id, fields(json!({ "identity": identity("7") }))).await;
    assert_eq!(other.err(), Some(taken));
    // Whoever has it keeps it, and it is free behind.
    let same = set(ann.id, fields(json!({ "identity": identity("7"), "role": "operator" }))).await.unwrap();
    assert_eq!(same.spec.identity, ann.spec.identity);
    set(ann.id, fields(json!({ "identity": null }))).await.unwrap();
    let moved = set(eve.id, fields(json!({ "identity": identity("7") }))).await.unwrap();
    // The provider signs in the one who has it.
    let vouched = Vouched {
        identity: moved.spec.identity.clone().unwrap(),
        name: "ann".to_owned(),
        role: Role::Viewer,
        may_link: true,
    };
    let signed_in = accounts.sign_in_vouched(vouched, HOST).await.unwrap();
    assert_eq!((signed_in.user.id, signed_in.lifetime), (eve.id, Duration::from_hours(24)));
}

#[tokio::test]
async fn there_are_no_more_users_than_there_may_be() {
    let (_folder, accounts) = open();
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
                INSERT INTO users (name, spec, stream_key, created_at, changed_at)
                SELECT 'u' || i, json_object('name', 'u' || i), 'k' || i, 0, 0 FROM n";
    accounts.database().write(move |connection| Ok::<_, Error>(connection.execute(rows, [])?)).await.unwrap();
    let create = async |name: &str| {
        let new = change(json!({ "name": name })).unwrap();
        accounts.create_user(&Actor::Command, new).await.map(|user| user.spec.name.clone())
    };
    assert_eq!(create("last").await, Ok("last".to_owned()));
    let full = Refusal::Taken("there are 10000 users, and may be no more".to_owned());
    assert_eq!(create("more").await, Err(full.clone()));
    let identity = Identity { issuer: "https://id.example".to_owned(), subject: "7".to_owned() };
    let vouched = Vouched { identity, name: "more".to_owned(), role: Role::Viewer, may_link: false };
    assert_eq!(accounts.sign_in_vouched(vouched, HOST).await.err(), Some(full));
}

#[tokio::test]
async fn commands_work_beside_a_server_and_it_follows() {
    let (folder, accounts) = open();
    let data = folder.path().join("data");
    let made_up = commands::add(&data, "ann", Role::Admin, None).unwrap().expect("a password is made up");
    assert!(commands::add(&data, "Ann", Role::Admin, None).is_err(), "the name is taken");
    assert!(accounts.people().named("ann").is_none());
    accounts.look(false).await.unwrap();
    let cookie = accounts.sign_in("ann", made_up.reveal(), HOST, None).await.unwrap().cookie;
    let ann = accounts.people().named("ann").unwrap().id;
    accounts.change_user(&Actor::Command, ann, fields(json!({ "disabled": true }))).await.unwrap();
    assert!(commands::reset(&data, "ann", Some("correct horse")).unwrap().is_none());
    accounts.look(false).await.unwrap();
    assert!(!is_signed_in(&accounts, &cookie, HOST));
    assert!(accounts.sign_in("ann", "correct horse", HOST, None).await.is_ok(), "it is let in again");
    let refused = commands::reset(&data, "nobody", None).unwrap_err();
    assert_eq!(refused.to_string(), "there is no user \"nobody\"");
    let names: Vec<String> = commands::list(&data).unwrap().into_iter().map(|user| user.spec.name).collect();
    assert_eq!(names, ["ann"]);
}
