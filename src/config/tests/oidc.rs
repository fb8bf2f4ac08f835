//! `[oidc]`.

use super::*;

const GOOD: &str = "[oidc]\nissuer = 'https://id.example/'\nclient_id = 'forebay'\nviewers = ['*']\n";

#[test]
fn an_issuer_is_kept_letter_by_letter_and_openid_is_always_asked_for() {
    let oidc = parse(GOOD).unwrap().oidc.unwrap();
    assert_eq!((&*oidc.issuer, &*oidc.client_id), ("https://id.example/", "forebay"));
    assert_eq!(oidc.scopes, ["openid", "profile", "email"]);
    assert_eq!((&*oidc.name_claim, &*oidc.role_claim), ("preferred_username", "groups"));
    let oidc = parse(&format!("{GOOD}scopes = ['groups']\n")).unwrap().oidc.unwrap();
    assert_eq!(oidc.scopes, ["openid", "groups"]);
    for here in ["http://localhost:9000", "http://127.0.0.1:9000/realm", "http://[::1]:9000"] {
        assert!(parse(&GOOD.replace("https://id.example/", here)).is_ok(), "{here}");
    }
    assert_eq!(parse("").unwrap().oidc, None);
}

#[test]
fn wrong_sections_say_what_is_wrong() {
    for (right, wrong, message) in [
        ("issuer = 'https://id.example/'\n", "", "issuer: is missing"),
        ("https://id.example/", "http://id.example/", "not an address that begins with https://"),
        ("https://id.example/", "https://id.example/?tenant=7", "neither a query nor a user"),
        ("https://id.example/", "https://ann@id.example/", "neither a query nor a user"),
        ("client_id = 'forebay'", "client_id = ' '", "client_id: is missing"),
        ("viewers = ['*']", "", "nobody can sign in"),
        ("viewers = ['*']", "viewers = ['']", "expected a text"),
        ("viewers", "client_secret_file = 'no-such-file'\nviewers", "client_secret_file: cannot be read"),
        ("viewers", "root = 'no-such-file'\nviewers", "root: "),
    ] {
        let said = parse(&GOOD.replace(right, wrong)).unwrap_err();
        assert!(said.contains(message), "{message}: {said}");
    }
}
