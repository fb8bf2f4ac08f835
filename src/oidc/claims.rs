//! Claims as a user and a role.

use serde_json::{Map, Value};

use super::Reason;
use crate::accounts::{Vouched, name_fault};
use crate::config::oidc::Oidc as Config;
use crate::db::users::{Identity, Role};

/// What a provider says of a person.
pub(super) type Claims = Map<String, Value>;

/// In a list of values: whoever the provider lets in.
const EVERYBODY: &str = "*";

/// The person of whom these are the claims. The subject and the issuer were checked.
pub(super) fn person(config: &Config, claims: &Claims) -> Result<Vouched, Reason> {
    let text = |path: &str| find(claims, path).and_then(Value::as_str).unwrap_or_default();
    let name = text(&config.name_claim);
    // The name becomes part of addresses here, so it must
    // fit; it is never mended, for it would be another one's.
    if name_fault(name).is_some() {
        return Err(Reason::NoName(config.name_claim.clone()));
    }
    let role = role(config, claims).ok_or_else(|| Reason::NoRole(config.role_claim.clone()))?;
    let identity = Identity { issuer: config.issuer.clone(), subject: text("sub").to_owned() };
    Ok(Vouched { identity, name: name.to_owned(), role, may_link: config.link_by_name })
}

/// Whether all that [`person`] needs is there.
pub(super) fn is_enough(config: &Config, claims: &Claims) -> bool {
    [&config.name_claim, &config.role_claim].iter().all(|path| find(claims, path).is_some())
}

/// The highest role of which a value is among those of the claim.
fn role(config: &Config, claims: &Claims) -> Option<Role> {
    let values: Vec<&str> = match find(claims, &config.role_claim) {
        // Providers send a single value without its list.
        Some(Value::String(value)) => vec![value],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let roles =
        [(Role::Admin, &config.admins), (Role::Operator, &config.operators), (Role::Viewer, &config.viewers)];
    let is_in =
        |wanted: &[String]| wanted.iter().any(|wanted| wanted == EVERYBODY || values.contains(&&**wanted));
    roles.into_iter().find(|(_, wanted)| is_in(wanted)).map(|(role, _)| role)
}

/// A claim by its name; else by the way to it, with dots between names of objects:
/// `realm_access.roles`.
fn find<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    // As a whole first: names of claims may hold dots, as addresses do.
    if let Some(claim) = claims.get(path) {
        return Some(claim);
    }
    let (first, rest) = path.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config() -> Config {
        let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        Config {
            issuer: "https://id.example".into(),
            client_id: "forebay".into(),
            client_secret_file: None,
            name: "id.example".into(),
            scopes: Vec::new(),
            root: None,
            name_claim: "preferred_username".into(),
            role_claim: "groups".into(),
            admins: list(&["tv-admins"]),
            operators: list(&["tv-crew", "tv-helpers"]),
            viewers: list(&["family"]),
            link_by_name: false,
        }
    }

    #[test]
    fn the_highest_role_of_a_claim_counts_and_none_is_refused() {
        let everybody = Config { viewers: vec!["*".into()], ..config() };
        let nested = Config { role_claim: "realm_access.roles".into(), ..config() };
        let plain = config();
        for (config, claims, role) in [
            (&plain, json!({ "groups": ["family", "tv-admins"] }), Some(Role::Admin)),
            (&plain, json!({ "groups": ["tv-helpers", 7] }), Some(Role::Operator)),
            (&plain, json!({ "groups": "family" }), Some(Role::Viewer)),
            (&plain, json!({ "groups": ["Family", "tv-admins2", "*"] }), None),
            (&plain, json!({ "groups": { "family": true } }), None),
            (&plain, json!({}), None),
            (&everybody, json!({}), Some(Role::Viewer)),
            (&everybody, json!({ "groups": ["tv-crew"] }), Some(Role::Operator)),
            (&nested, json!({ "realm_access": { "roles": ["tv-admins"] } }), Some(Role::Admin)),
            (&nested, json!({ "realm_access.roles": ["family"] }), Some(Role::Viewer)),
            (&nested, json!({ "realm_access": ["tv-admins"] }), None),
        ] {
            assert_eq!(super::role(config, claims.as_object().unwrap()), role, "{claims}");
        }
    }

    #[test]
    fn a_name_is_one_that_a_user_may_have() {
        let named = |name: Value| {
            let claims = json!({ "sub": "7", "preferred_username": name, "groups": "family" });
            person(&config(), claims.as_object().unwrap()).map(|person| person.name)
        };
        assert_eq!(named(json!("ann@tv.example")), Ok("ann@tv.example".into()));
        for wrong in [json!(""), json!("Ann Smith"), json!("../ann"), json!("live"), json!(7), json!(null)] {
            assert_eq!(named(wrong.clone()), Err(Reason::NoName("preferred_username".into())), "{wrong}");
        }
    }
}
