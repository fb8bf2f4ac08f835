//! Walks the tables for everybody who has an account or a key, and for those who pretend to.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::route::Access;
use super::tests::{House, METHODS, PATIENCE, Sender, code, example, names_user, routes};
use crate::accounts::{Actor, UserChange};
use crate::db::api_keys::Scope;
use crate::db::users::Role;

/// Whoever waits longer than that waits for a picture, and has been let in.
const SOON: Duration = Duration::from_millis(50);

const HOST: &str = "tv.lan:8080";

/// What somebody may do on routes for operators and for admins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum May {
    Nothing,
    Read,
    Operate,
    Administer,
}

/// What somebody far away may watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watches {
    Nothing,
    All,
    /// Not the channel that the paths name.
    Others,
}

/// Somebody, by the fields of the request.
struct Identity {
    name: &'static str,
    fields: Vec<(&'static str, String)>,
    /// Behind each path.
    query: String,
    may: May,
    watches: Watches,
}

impl Identity {
    fn new(name: &'static str, fields: Vec<(&'static str, String)>, may: May, watches: Watches) -> Self {
        Self { name, fields, query: String::new(), may, watches }
    }
}

async fn add(house: &House, name: &str, role: Role, more: Value) -> String {
    let mut fields = json!({ "name": name, "password": "correct horse", "role": role });
    let accounts = &house.state.accounts;
    let new = UserChange::new(fields.as_object_mut().unwrap().clone()).unwrap();
    let user = accounts.create_user(&Actor::Command, new).await.unwrap();
    let signed_in = accounts.sign_in(name, "correct horse", HOST, None).await.unwrap();
    if let Value::Object(more) = more {
        accounts.change_user(&Actor::Command, user.id, more).await.unwrap();
    }
    format!("forebay_session={}", signed_in.cookie.reveal())
}

/// Everybody of the table. Whoever may do something is of a page of ours.
async fn everybody(house: &House) -> Vec<Identity> {
    let page = ("sec-fetch-site", "same-origin".to_owned());
    let guess = vec![("cookie", "forebay_session=abc".to_owned()), page.clone()];
    let header =
        vec![("x-remote-user", "admin".to_owned()), ("x-forwarded-user", "admin".into()), page.clone()];
    let mut all = vec![
        Identity::new("nobody", Vec::new(), May::Nothing, Watches::Nothing),
        Identity::new("a guess", guess, May::Nothing, Watches::Nothing),
        Identity::new("a header of an untrusted peer", header, May::Nothing, Watches::Nothing),
    ];
    let over = json!({ "expires_at": "2020-01-01T00:00:00Z" });
    for (name, role, more, may, watches) in [
        ("viewer", Role::Viewer, Value::Null, May::Nothing, Watches::All),
        ("operator", Role::Operator, Value::Null, May::Operate, Watches::All),
        ("admin", Role::Admin, Value::Null, May::Administer, Watches::All),
        ("disabled", Role::Admin, json!({ "disabled": true }), May::Nothing, Watches::Nothing),
        ("expired", Role::Admin, over, May::Nothing, Watches::Nothing),
        ("demoted", Role::Admin, json!({ "role": "operator" }), May::Operate, Watches::All),
        ("of another group", Role::Viewer, json!({ "groups": ["G"] }), May::Nothing, Watches::Others),
    ] {
        // Spaces are for people.
        let cookie = add(house, &name.replace(' ', "-"), role, more).await;
        all.push(Identity::new(name, vec![("cookie", cookie), page.clone()], may, watches));
    }
    all.extend(sessions_that_are_misused(house, page).await);
    all.extend(keys(house).await);
    all.extend(stream_keys(house).await);
    all
}

/// An admin's, from elsewhere than a page of ours. A browser lets no such page read the answer, so
/// reading gives nothing away.
async fn sessions_that_are_misused(house: &House, page: (&'static str, String)) -> Vec<Identity> {
    let admin = add(house, "other-admin", Role::Admin, Value::Null).await;
    let mut all = Vec::new();
    for (name, fields) in [
        ("an admin's session from a page of another site", vec![("sec-fetch-site", "cross-site".to_owned())]),
        (
            "an admin's session from a page of another origin",
            vec![("origin", "http://evil.example".to_owned())],
        ),
        ("an admin's session without a page", Vec::new()),
    ] {
        let fields = [vec![("cookie", admin.clone())], fields].concat();
        all.push(Identity::new(name, fields, May::Read, Watches::All));
    }
    let rebound = vec![("cookie", admin), page, ("host", "rebound.example".to_owned())];
    let name = "an admin's session at a host that leads here";
    all.push(Identity::new(name, rebound, May::Nothing, Watches::Nothing));
    all
}

async fn keys(house: &House) -> Vec<Identity> {
    let accounts = &house.state.accounts;
    let mut all = Vec::new();
    for (name, scope, may, watches) in [
        ("a key to watch", Scope::Watch, May::Nothing, Watches::All),
        ("a key to read", Scope::Read, May::Read, Watches::Nothing),
        ("a key to operate", Scope::Operate, May::Operate, Watches::Nothing),
        ("a key of an admin", Scope::Admin, May::Administer, Watches::All),
        ("a revoked key", Scope::Admin, May::Nothing, Watches::Nothing),
    ] {
        let (key, secret) = accounts.create_key(&Actor::Command, name, vec![scope], None).await.unwrap();
        if name == "a revoked key" {
            accounts.remove_key(&Actor::Command, key.id).await.unwrap();
        }
        let bearer = format!("Bearer {}", secret.reveal());
        all.push(Identity::new(name, vec![("authorization", bearer)], may, watches));
    }
    all
}

/// Players, which show what their address holds.
async fn stream_keys(house: &House) -> Vec<Identity> {
    let accounts = &house.state.accounts;
    let mut all = Vec::new();
    for (name, query, watches) in [
        ("player", "?token=KEY", Watches::All),
        ("renewed", "?token=KEY", Watches::Nothing),
        ("basic", "", Watches::All),
        ("wrong-basic", "", Watches::Nothing),
    ] {
        add(house, name, Role::Viewer, Value::Null).await;
        let user = accounts.people().named(name).cloned().unwrap();
        if name == "renewed" {
            accounts.renew_stream_key(&Actor::Command, user.id).await.unwrap();
        }
        let fields = match name {
            "basic" => vec![("authorization", basic(name, "correct horse"))],
            "wrong-basic" => vec![("authorization", basic(name, &user.stream_key[1..]))],
            _ => Vec::new(),
        };
        let query = query.replace("KEY", &user.stream_key);
        all.push(Identity { query, ..Identity::new(name, fields, May::Nothing, watches) });
    }
    all
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// The status of a refusal; `None` where a handler is reached.
fn refused(access: Access, path: &str, method: &Method, identity: &Identity) -> Option<u16> {
    let is_admin_session_of_no_page = identity.may == May::Read && identity.name.starts_with("an admin");
    let is_let_in = match access {
        Access::Public | Access::Machine => true,
        // The address shows a user, whoever asks.
        Access::Viewer if names_user(path) => return Some(401),
        Access::Viewer if path.starts_with("/api/streaming/stream/") && *method != Method::OPTIONS => {
            return Some(401);
        }
        Access::Viewer if *method == Method::OPTIONS => true,
        // A cookie is good for a change only from a page of ours.
        Access::Viewer if !method.is_safe() && is_admin_session_of_no_page => return Some(401),
        Access::Viewer => match identity.watches {
            Watches::Nothing => return Some(401),
            Watches::All => true,
            Watches::Others => !path.contains("/one") || path.starts_with("/api/streaming/"),
        },
        Access::Operator if method.is_safe() => identity.may >= May::Read,
        Access::Operator => identity.may >= May::Operate,
        Access::Admin if method.is_safe() => identity.may == May::Administer || is_admin_session_of_no_page,
        Access::Admin => identity.may == May::Administer,
    };
    (!is_let_in).then_some(403)
}

#[tokio::test]
async fn each_route_is_open_to_those_whom_its_row_names() {
    let house = House::with_database();
    let mut asked: HashMap<&str, usize> = HashMap::new();
    for identity in everybody(&house).await {
        let fields: Vec<(&'static str, &str)> =
            identity.fields.iter().map(|(name, value)| (*name, &**value)).collect();
        // Far away, so that the address alone is good for nothing.
        let sender = Sender::new(identity.name, "192.0.2.9", HOST, &fields);
        for route in routes() {
            let path = example(route.path);
            for method in METHODS.iter().filter(|method| route.methods().contains(method)) {
                // It would end the session with which the others are asked: it has tests of its
                // own.
                if (path.as_str(), method) == ("/api/session", &Method::DELETE) {
                    continue;
                }
                *asked.entry(identity.name).or_default() += 1;
                let refused = refused(route.access, &path, method, &identity);
                let asked = format!("{path}{}", identity.query);
                let limit = if refused.is_none() { SOON } else { PATIENCE };
                let Ok(answer) = timeout(limit, house.ask(method, &asked, &sender)).await else {
                    assert_eq!(refused, None, "{method} {path} by {}", identity.name);
                    continue;
                };
                let case = format!("{method} {path} by {}: {}", identity.name, answer.status());
                match refused {
                    None => assert!(![401, 403, 405].contains(&answer.status().as_u16()), "{case}"),
                    // Its guesses are counted by household, whoever it is.
                    Some(401) if names_user(&path) || identity.name == "wrong-basic" => {
                        assert!([401, 429].contains(&answer.status().as_u16()), "{case}");
                    }
                    Some(status) => {
                        assert_eq!(answer.status(), status, "{case}");
                        let code = code(answer).await;
                        let expected = ["unauthorized", "forbidden", "not_allowed", "too_many_tries"];
                        assert!(method == Method::HEAD || expected.contains(&&*code), "{case}: {code}");
                    }
                }
            }
        }
    }
    assert_eq!(asked.len(), 23, "{asked:?}");
}
