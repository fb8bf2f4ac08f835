//! Signing in by a provider of identities: the testkit's own, which lies, and a real one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use forebay_testkit::client::{Answer, Request};
use forebay_testkit::identity_provider::{CLIENT, IdentityProvider, Lie};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use url::Url;

use crate::relay::Relay;

/// A relay whose admins are those of a provider, with more of `[oidc]`, and the file with its
/// secret.
fn start(issuer: &str, more: &str) -> (Relay, NamedTempFile) {
    start_at(([127, 0, 0, 1], 0).into(), issuer, more)
}

/// The same at this address.
fn start_at(address: SocketAddr, issuer: &str, more: &str) -> (Relay, NamedTempFile) {
    let secret = NamedTempFile::new().expect("a file can be made");
    std::fs::write(secret.path(), format!("{}\n", CLIENT.1)).expect("a file can be written");
    let (path, client) = (secret.path().display(), CLIENT.0);
    let text = format!(
        "[oidc]\nissuer = '{issuer}'\nclient_id = '{client}'\nclient_secret_file = '{path}'\n\
         admins = ['tv-admins']\nviewers = ['family']\n{more}\n"
    );
    (Relay::start_at(address, &text), secret)
}

/// Somebody with a browser, at an address of this machine.
#[derive(Debug, Clone, Copy)]
struct Browser {
    server: SocketAddr,
    /// Each of another household: wrong tries are counted.
    from: IpAddr,
}

impl Browser {
    fn new(relay: &Relay, number: u8) -> Self {
        Self { server: relay.address(), from: Ipv4Addr::new(127, 0, 1, number).into() }
    }

    async fn get(self, path: &str, cookie: &str) -> Answer {
        let request = Request::get(self.server, path).from(self.from).header("Cookie", cookie);
        request.send().await.expect("the relay answers")
    }

    /// Begins: the address at the provider, and the cookie of the flow.
    async fn begin(self) -> (Url, String) {
        let answer = self.get("/api/oidc/start?to=users", "").await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = cookie(&answer, "forebay_oidc").unwrap_or_else(|| panic!("{}", location(&answer)));
        (location(&answer).parse().expect("the provider's address"), cookie)
    }

    /// Signs in at the testkit's provider, and comes back: path and query of the callback.
    async fn at_provider(self, url: &Url) -> String {
        let address = url.socket_addrs(|| None).expect("it is on this machine")[0];
        let path = &url[url::Position::BeforePath..];
        let answer = Request::get(address, path).send().await.expect("the provider answers");
        assert_eq!(answer.status, 302, "{}", answer.text());
        let back: Url = location(&answer).parse().expect("our own address");
        assert_eq!(back.path(), "/api/oidc/callback");
        back[url::Position::BeforePath..].to_owned()
    }

    /// The whole way.
    async fn sign_in(self) -> Answer {
        let (url, cookie) = self.begin().await;
        let back = self.at_provider(&url).await;
        self.get(&back, &cookie).await
    }

    /// Who is signed in with a cookie.
    async fn who(self, cookie: &str) -> Value {
        self.get("/api/session", cookie).await.json()["user"].take()
    }
}

fn location(answer: &Answer) -> &str {
    answer.header("Location").unwrap_or_default()
}

/// A cookie that an answer sets, as the browser sends it.
fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let set = answer.headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case("set-cookie"));
    let mut pairs = set.filter_map(|(_, value)| value.split(';').next());
    pairs.find(|pair| pair.split('=').next() == Some(name) && !pair.ends_with('=')).map(str::to_owned)
}

/// Why nobody is signed in, as the page is told.
fn refused(answer: &Answer) -> Option<&str> {
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert!(cookie(answer, "forebay_session").is_none() || !location(answer).contains("refused"));
    location(answer).strip_prefix("../../admin/signin?refused=")
}

/// The session of whoever was signed in.
fn session(answer: &Answer) -> String {
    assert_eq!((answer.status, location(answer)), (303, "../../admin/users"), "{}", answer.text());
    cookie(answer, "forebay_session").expect("somebody is signed in")
}

#[tokio::test]
async fn whoever_the_provider_vouches_for_is_a_user_with_the_role_of_today() {
    let provider = IdentityProvider::start().await;
    let (relay, _secret) = start(provider.issuer(), "name = 'Our house'");
    let browser = Browser::new(&relay, 1);
    let document = browser.get("/api/session", "").await.json();
    assert_eq!(document["identity_provider"], "Our house");

    let signed_in = browser.sign_in().await;
    let ann = session(&signed_in);
    let mut set = signed_in.headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case("set-cookie"));
    // As long as the session.
    assert!(set.any(|(_, value)| value.starts_with(&*ann) && value.contains("; Max-Age=86400;")));
    assert_eq!(browser.who(&ann).await, json!({ "id": 1, "name": "ann", "role": "admin" }));
    // An admin like any other, who reads what has happened.
    let audit = browser.get("/api/audit", &ann).await.json();
    let entry = &audit["entries"][0];
    assert_eq!((&entry["actor"], &entry["action"]), (&json!("identity_provider"), &json!("user.create")));
    assert_eq!(entry["after"]["identity"]["subject"], "subject of ann");
    assert!(browser.get("/api/session", "").await.json()["needs_setup"] == false);

    // Another name is the same person; another group another role, of the session before, too.
    provider.say(json!({ "preferred_username": "annabel", "groups": ["family"] }), json!({}));
    let again = session(&browser.sign_in().await);
    for cookie in [&again, &ann] {
        assert_eq!(browser.who(cookie).await, json!({ "id": 1, "name": "ann", "role": "viewer" }));
    }
    // What the ID token leaves out is asked for.
    provider.say(json!({}), json!({ "preferred_username": "ann", "groups": "tv-admins" }));
    let third = session(&browser.sign_in().await);
    assert_eq!(browser.who(&third).await["role"], "admin");
    provider.say(json!({ "preferred_username": "ann", "groups": ["strangers"] }), json!({}));
    assert_eq!(refused(&browser.sign_in().await), Some("no_role"));
    provider.say(json!({ "preferred_username": "Ann Smith", "groups": ["family"] }), json!({}));
    assert_eq!(refused(&browser.sign_in().await), Some("no_name"));
}

#[tokio::test]
async fn a_user_who_was_made_here_is_the_same_person_only_where_that_is_said() {
    let provider = IdentityProvider::start().await;
    for (more, is_linked) in [("", false), ("link_by_name = true", true)] {
        let (relay, _secret) = start(provider.issuer(), more);
        let url = relay.setup_url();
        let token = url.split_once('#').unwrap().1;
        let body = json!({ "token": token, "name": "Ann", "password": "correct horse" });
        let made = Request::new("POST", relay.address(), "/api/setup").json(&body).send().await.unwrap();
        assert_eq!(made.status, 201, "{}", made.text());
        let browser = Browser::new(&relay, 1);
        let answer = browser.sign_in().await;
        if !is_linked {
            assert_eq!(refused(&answer), Some("taken"));
            continue;
        }
        let ann = session(&answer);
        assert_eq!(browser.who(&ann).await, json!({ "id": 1, "name": "Ann", "role": "admin" }));
        // Who is disabled here is let in by nobody.
        let disable = Request::new("PATCH", relay.address(), "/api/users/1").header("Cookie", &ann);
        let disable = disable.from(browser.from).header("Sec-Fetch-Site", "same-origin");
        let answer = disable.json(&json!({ "disabled": true })).send().await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(refused(&browser.sign_in().await), Some("inactive"));
    }
}

#[tokio::test]
async fn nobody_is_signed_in_by_a_provider_that_lies() {
    let provider = IdentityProvider::start().await;
    let (relay, _secret) = start(provider.issuer(), "");
    for (number, (lie, reason)) in (2..).zip([
        (Lie::Nonce, "unproven"),
        (Lie::AlgNone, "unproven"),
        (Lie::OtherKey, "unproven"),
        (Lie::PublicKeyAsSecret, "unproven"),
        (Lie::Expired, "unproven"),
        (Lie::NotYet, "unproven"),
        (Lie::Audience, "unproven"),
        (Lie::AuthorizedParty, "unproven"),
        (Lie::Issuer, "unproven"),
        (Lie::NoSubject, "unproven"),
        (Lie::Sender, "unproven"),
        (Lie::UserInfo, "unproven"),
        (Lie::Discovery, "unreachable"),
        (Lie::PlainEndpoint, "unreachable"),
        (Lie::Garbage, "unreachable"),
        (Lie::Denies, "denied"),
    ]) {
        // It begins in good faith, and lies from then on.
        let browser = Browser::new(&relay, number);
        provider.lie(Lie::None);
        let claims = json!({ "preferred_username": "ann" });
        provider.say(claims, json!({ "groups": "tv-admins" }));
        let (url, flow) = browser.begin().await;
        provider.lie(lie);
        let back = browser.at_provider(&url).await;
        let answer = browser.get(&back, &flow).await;
        assert_eq!(refused(&answer), Some(reason), "{lie:?}");
        assert_eq!(cookie(&answer, "forebay_session"), None, "{lie:?}");
        // The same answer is worth nothing when it tells the truth.
        provider.lie(Lie::None);
        assert_eq!(refused(&browser.get(&back, &flow).await), Some("expired"), "{lie:?}");
        session(&browser.sign_in().await);
    }
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_has_begun() {
    let provider = IdentityProvider::start().await;
    let (relay, _secret) = start(provider.issuer(), "");
    let [ann, eve] = [20, 21].map(|number| Browser::new(&relay, number));
    let (url, flow) = ann.begin().await;
    let back = ann.at_provider(&url).await;
    let (eves_url, eves_flow) = eve.begin().await;
    let eves_back = eve.at_provider(&eves_url).await;
    // Eve has Ann's answer; Ann is led to Eve's, by a page of Eve's; or by one without any.
    for (browser, path, flow) in [
        (eve, &*back, &*eves_flow),
        (eve, &*back, ""),
        (ann, &*eves_back, &*flow),
        (ann, "/api/oidc/callback", &*flow),
        (ann, "/api/oidc/callback?state=&code=code-1", &*flow),
    ] {
        assert_eq!(refused(&browser.get(path, flow).await), Some("expired"), "{path} {flow}");
    }
    // A code of another flow under Ann's own state: it was made for another challenge and nonce.
    let code = |path: &str| path.split('&').find(|part| part.starts_with("code=")).unwrap().to_owned();
    let mixed = back.replace(&code(&back), &code(&eves_back));
    assert_eq!(refused(&ann.get(&mixed, &flow).await), Some("unproven"));
    assert_eq!(refused(&ann.get(&back, &flow).await), Some("expired"), "the flow was used");

    let (url, flow) = ann.begin().await;
    let back = ann.at_provider(&url).await;
    // At another name of the same server, to which a page may have made its own lead.
    let rebound = Request::get(relay.address(), &back).from(ann.from).header("Cookie", &flow);
    let rebound = rebound.http10().header("Host", "rebound.example").send().await.unwrap();
    assert_eq!((refused(&rebound), cookie(&rebound, "forebay_session")), (Some("expired"), None));
    let (url, flow) = ann.begin().await;
    let back = ann.at_provider(&url).await;
    // What somebody has put into the browser before is worth nothing behind.
    let planted = format!("{flow}; forebay_session=planted");
    let signed_in = session(&ann.get(&back, &planted).await);
    assert!(signed_in != "forebay_session=planted" && ann.who("forebay_session=planted").await.is_null());
    assert_eq!(ann.who(&signed_in).await["name"], "ann");
    assert_eq!(refused(&ann.get(&back, &flow).await), Some("expired"), "a replay");
}

#[tokio::test]
async fn without_a_provider_there_is_nothing_and_one_that_is_away_is_said_to_be() {
    let relay = Relay::start("");
    let browser = Browser::new(&relay, 30);
    assert_eq!(browser.get("/api/session", "").await.json()["identity_provider"], Value::Null);
    for path in ["/api/oidc/start", "/api/oidc/callback?state=a&code=b"] {
        assert_eq!(browser.get(path, "").await.status, 404, "{path}");
    }
    let (_socket, nobody) = crate::relay::refusing();
    let (relay, _secret) = start(&format!("http://{nobody}"), "");
    let browser = Browser::new(&relay, 31);
    for _ in 0..10 {
        assert_eq!(refused(&browser.get("/api/oidc/start", "").await), Some("unreachable"));
    }
    assert_eq!(browser.get("/api/oidc/start", "").await.status, 429, "each is a try");
    // Any page may have led the browser there: passwords are tried apart from it.
    let credentials = json!({ "name": "ann", "password": "wrong horse" });
    let request = Request::new("POST", relay.address(), "/api/session").json(&credentials);
    assert_eq!(request.from(browser.from).send().await.expect("the relay answers").status, 401);
}

mod players {
    use forebay_testkit::authority::reserve;
    use forebay_testkit::oidc_provider::OidcProvider;
    use forebay_testkit::player::{Screen, Step, visit_on};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_real_provider_signs_somebody_in_in_a_real_browser() {
        // The provider has to know our address before we know its.
        let (_port, address) = reserve();
        let provider = OidcProvider::start(&format!("http://{address}/api/oidc/callback")).await;
        let (relay, _secret) =
            super::start_at(address, provider.issuer(), "name = 'Our house'\nscopes = ['profile', 'groups']");
        for is_phone in [false, true] {
            let screen = Screen { is_phone, is_dark: is_phone, ..Screen::default() };
            let steps = [
                Step::Awaits("Sign in with Our house"),
                Step::Judges,
                Step::Follows("Sign in with Our house"),
                Step::Clicks("Be Ann"),
                Step::Sees("Add a user"),
            ];
            let visited = visit_on(&screen, &relay.url("/admin/users"), &steps).await;
            assert_eq!(visited.url, relay.url("/admin/users"));
            assert!(visited.text.contains("ann"), "{visited:#?}");
            assert_eq!(visited.faults, Vec::<String>::new());
            // The provider has no icon.
            assert!(visited.said.iter().all(|said| said.contains("404")), "{visited:#?}");
            assert!(!visited.failed.iter().any(|failed| failed.contains(&relay.url("/"))), "{visited:#?}");
        }
        assert_eq!(address, relay.address());
        // What does not come about is said on the page, and begins anew.
        drop(provider);
        let steps = [Step::Follows("Sign in with Our house"), Step::Sees("does not answer"), Step::Judges];
        let visited = visit_on(&Screen::default(), &relay.url("/admin/signin"), &steps).await;
        assert_eq!(visited.faults, Vec::<String>::new());
    }
}
