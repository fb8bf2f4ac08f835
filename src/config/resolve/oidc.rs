//! `[oidc]`.

use std::path::{Path, PathBuf};

use forebay_relay::error::reason;
use forebay_relay::model::Checker;

use super::super::Oidc;
use super::super::file::OidcFile;
use super::super::oidc::parse_issuer;
use super::tls::parse_root;

/// What every provider knows.
const SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// The claim with the name that people sign in with (OpenID Connect Core 1.0, 5.1).
const NAME_CLAIM: &str = "preferred_username";

/// Not in the standard, and what most providers call it.
const ROLE_CLAIM: &str = "groups";

/// `[oidc]`, where it is good.
pub(super) fn oidc(checker: &mut Checker, typed: &OidcFile, folder: &Path) -> Option<Oidc> {
    let before = checker.count();
    let issuer = required(checker, "issuer", typed.issuer.as_ref());
    let issuer = checker.field("issuer", issuer, |text| parse_issuer(text));
    let client_id = required(checker, "client_id", typed.client_id.as_ref()).cloned();
    let secret = typed.client_secret_file.as_ref();
    let client_secret_file =
        checker.field("client_secret_file", secret, |text| parse_secret_file(&folder.join(text)));
    let root = checker.field("root", typed.root.as_ref(), |text| parse_root(&folder.join(text)));
    let name = checker.words("name", typed.name.as_ref());
    let mut list = |key, typed: &Option<Vec<String>>| {
        checker.list(key, typed.as_deref().unwrap_or_default(), |text| match text.trim() {
            "" => Err("expected a text"),
            text => Ok(text.to_owned()),
        })
    };
    let mut scopes = list("scopes", &typed.scopes);
    let [admins, operators, viewers] =
        [("admins", &typed.admins), ("operators", &typed.operators), ("viewers", &typed.viewers)]
            .map(|(key, typed)| list(key, typed));
    if [&admins, &operators, &viewers].iter().all(|values| values.is_empty()) {
        checker.fault_here("oidc: nobody can sign in; admins, operators or viewers must name somebody");
    }
    if scopes.is_empty() {
        scopes.extend(SCOPES.map(str::to_owned));
    } else if !scopes.iter().any(|scope| scope == SCOPES[0]) {
        scopes.insert(0, SCOPES[0].to_owned());
    }
    if checker.count() > before {
        return None;
    }
    Some(Oidc {
        name: name.unwrap_or_else(|| "single sign-on".to_owned()),
        issuer: issuer?,
        client_id: client_id?,
        client_secret_file,
        scopes,
        root,
        name_claim: typed.name_claim.clone().unwrap_or_else(|| NAME_CLAIM.to_owned()),
        role_claim: typed.role_claim.clone().unwrap_or_else(|| ROLE_CLAIM.to_owned()),
        admins,
        operators,
        viewers,
        link_by_name: typed.link_by_name.unwrap_or(false),
    })
}

fn required<'a>(checker: &mut Checker, key: &'static str, typed: Option<&'a String>) -> Option<&'a String> {
    if typed.is_none_or(|text| text.trim().is_empty()) {
        checker.fault(key, format!("{key}: is missing"));
        return None;
    }
    typed
}

/// What it says is read at each use, so that another secret needs no restart.
fn parse_secret_file(path: &Path) -> Result<PathBuf, String> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err("the file is empty".into()),
        Ok(_) => Ok(path.to_owned()),
        Err(error) => Err(format!("cannot be read: {}", reason(&error))),
    }
}
