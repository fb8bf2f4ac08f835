//! Walks the tables for everybody who has an account or a key, and for those who pretend to.

use std::collections::HashMap;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::route::Access;
use super::tests::{House, METHODS, PATIENCE, Sender, code, example, routes};
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

/// Somebody, by the fields of the request.
struct Identity {
    name: &'static str,
    fields: Vec<(&'static str, String)>,
    may: May,
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
    let mut all = vec![
        Identity { name: "nobody", fields: Vec::new(), may: May::Nothing },
        Identity {
            name: "a guess",
            fields: vec![("cookie", "forebay_session=abc".into()), page.clone()],
            may: May::Nothing,
        },
        Identity {
            name: "a header of an untrusted peer",
            fields: vec![
                ("x-remote-user", "admin".into()),
                ("x-forwarded-user", "admin".into()),
                page.clone(),
            ],
            may: May::Nothing,
        },
    ];
    let over = json!({ "expires_at": "2020-01-01T00:00:00Z" });
    for (name, role, more, may) in [
        ("viewer", Role::Viewer, Value::Null, May::Nothing),
        ("operator", Role::Operator, Value::Null, May::Operate),
        ("admin", Role::Admin, Value::Null, May::Administer),
        ("disabled", Role::Admin, json!({ "disabled": true }), May::Nothing),
        ("expired", Role::Admin, over, May::Nothing),
        ("demoted", Role::Admin, json!({ "role": "operator" }), May::Operate),
    ] {
        let cookie = add(house, name, role, more).await;
        all.push(Identity { name, fields: vec![("cookie", cookie), page.clone()], may });
    }
    let admin = add(house, "other-admin", Role::Admin, Value::Null).await;
    for (name, fields) in [
        ("an admin's session from a page of another site", vec![("sec-fetch-site", "cross-site".to_owned())]),
        (
            "an admin's session from a page of another origin",
            vec![("origin", "http://evil.example".to_owned())],
        ),
        ("an admin's session without a page", Vec::new()),
    ] {
        // A browser lets no such page read the answer, so reading gives nothing away.
        let fields = [vec![("cookie", admin.clone())], fields].concat();
        all.push(Identity { name, fields, may: May::Read });
    }
    let rebound = vec![("cookie", admin), page, ("host", "rebound.example".to_owned())];
    all.push(Identity {
        name: "an admin's session at a host that leads here",
        fields: rebound,
        may: May::Nothing,
    });
    for (name, scope, may) in [
        ("a key to watch", Scope::Watch, May::Nothing),
        ("a key to read", Scope::Read, May::Read),
        ("a key to operate", Scope::Operate, May::Operate),
        ("a key of an admin", Scope::Admin, May::Administer),
    ] {
        let made = house.state.accounts.create_key(&Actor::Command, name, vec![scope], None).await;
        let bearer = format!("Bearer {}", made.unwrap().1.reveal());
        all.push(Identity { name, fields: vec![("authorization", bearer)], may });
    }
    let (key, secret) =
        house.state.accounts.create_key(&Actor::Command, "revoked", vec![Scope::Admin], None).await.unwrap();
    house.state.accounts.remove_key(&Actor::Command, key.id).await.unwrap();
    let bearer = format!("Bearer {}", secret.reveal());
    all.push(Identity { name: "a revoked key", fields: vec![("authorization", bearer)], may: May::Nothing });
    all
}

/// Whether a handler is reached.
fn is_let_in(access: Access, method: &Method, identity: &Identity) -> bool {
    let is_admin_session_of_no_page = identity.may == May::Read && identity.name.starts_with("an admin");
    match access {
        Access::Public | Access::Viewer | Access::Machine => true,
        Access::Operator if method.is_safe() => identity.may >= May::Read,
        Access::Operator => identity.may >= May::Operate,
        Access::Admin if method.is_safe() => identity.may == May::Administer || is_admin_session_of_no_page,
        Access::Admin => identity.may == May::Administer,
    }
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
                // It would end the session with which the others are asked: it has tests of its own.
                if (path.as_str(), method) == ("/api/session", &Method::DELETE) {
                    continue;
                }
                *asked.entry(identity.name).or_default() += 1;
                let is_let_in = is_let_in(route.access, method, &identity);
                let limit = if is_let_in { SOON } else { PATIENCE };
                let Ok(answer) = timeout(limit, house.ask(method, &path, &sender)).await else {
                    assert!(is_let_in, "{method} {path} by {}", identity.name);
                    continue;
                };
                let case = format!("{method} {path} by {}: {}", identity.name, answer.status());
                if is_let_in {
                    assert!(![401, 403, 405].contains(&answer.status().as_u16()), "{case}");
                } else {
                    assert_eq!(answer.status(), 403, "{case}");
                    let expected = if method == Method::HEAD { "" } else { "forbidden" };
                    assert_eq!(code(answer).await, expected, "{case}");
                }
            }
        }
    }
    assert_eq!(asked.len(), 18, "{asked:?}");
}
