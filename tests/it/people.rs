//! People: the first admin, signing in, commands on the host.

use std::time::Duration;

use forebay_testkit::client::{Answer, Request};
use serde_json::{Value, json};

use crate::program::{Program, Setup};
use crate::relay::Relay;

const CARD: &str = "[[channels]]\nid = \"card\"\nsources = [\"testcard://\"]\n";

/// What a page of this server asks; `cookie` is what its browser has.
async fn page(program: &Program, method: &str, path: &str, cookie: &str, body: Option<Value>) -> Answer {
    let address = program.address();
    let request = Request::new(method, address, path)
        .header("Origin", &format!("http://{address}"))
        .header("Cookie", cookie);
    body.iter().fold(request, Request::json).send().await.expect("the program answers")
}

/// The cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    let field = answer.header("Set-Cookie").expect("somebody is signed in");
    assert!(field.contains("; HttpOnly; SameSite=Strict"), "{field}");
    field.split(';').next().expect("there is one at least").to_owned()
}

/// The address of the setup, which stands behind the line that says that the program listens.
pub(crate) async fn setup_line(program: &Program) -> String {
    let find = async {
        loop {
            let output = program.output();
            if let Some(line) = output.lines().find_map(|line| line.strip_prefix("set up   ")) {
                return line.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), find).await.expect("there is no admin yet")
}

/// The code of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_leads_to_the_first_admin_and_the_host_to_every_other() {
    let program = Setup::new(CARD).start().await;
    let line = setup_line(&program).await;
    let token = line.strip_prefix(&format!("http://{}/setup#", program.address()));
    let token = token.expect("it is an address of the server");

    // What the page sends, and what a page of another origin would.
    let body = json!({ "token": token, "name": "ann", "password": "correct horse" });
    let elsewhere =
        Request::new("POST", program.address(), "/api/setup").header("Origin", "http://evil.example");
    assert_eq!(refusal(&elsewhere.json(&body).send().await.unwrap()), (403, "forbidden".into()));
    let guessed = json!({ "token": "guessed", "name": "eve", "password": "correct horse" });
    assert_eq!(
        refusal(&page(&program, "POST", "/api/setup", "", Some(guessed)).await),
        (403, "forbidden".into())
    );
    let made = page(&program, "POST", "/api/setup", "", Some(body.clone())).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let ann = cookie(&made);
    assert_eq!(refusal(&page(&program, "POST", "/api/setup", "", Some(body)).await), (409, "set_up".into()));

    let who = page(&program, "GET", "/api/session", &ann, None).await.json();
    assert_eq!(
        who,
        json!({ "identity_provider": null, "needs_setup": false, "user": { "id": 1, "name": "ann", "role": "admin" } })
    );
    let ben = json!({ "name": "ben", "password": "another horse", "role": "operator" });
    assert_eq!(page(&program, "POST", "/api/users", &ann, Some(ben)).await.status, 201);
    let audit = page(&program, "GET", "/api/audit", &ann, None).await.json();
    let told = |at: usize| (audit["entries"][at]["actor"].clone(), audit["entries"][at]["action"].clone());
    assert_eq!(told(0), (json!("user:1:ann"), json!("user.create")));
    assert_eq!(told(1), (json!("console"), json!("user.create")));

    // Beside the running server.
    let config = program.folder().join("channels.toml");
    let config = config.to_str().expect("a plain path").to_owned();
    let reset =
        Setup::with_config("").arg("--config").arg(&config).arg("user").arg("reset").arg("Ben").run().await;
    let password = reset.output.lines().find_map(|line| line.strip_prefix("password ")).expect("it is told");
    let sign_in = json!({ "name": "ben", "password": password });
    let mut tries = 0;
    let signed_in = loop {
        let answer = page(&program, "POST", "/api/session", "", Some(sign_in.clone())).await;
        if answer.status == 200 || tries == 8 {
            break answer;
        }
        tries += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert_eq!(signed_in.status, 200, "the server follows within a second: {}", signed_in.text());
    assert_eq!(
        refusal(&page(&program, "GET", "/api/users", &cookie(&signed_in), None).await),
        (403, "forbidden".into())
    );
    let list = Setup::with_config("").arg("--config").arg(&config).arg("user").arg("list").run().await;
    assert!(list.output.contains("ann") && list.output.contains("operator"), "{}", list.output);

    let out = page(&program, "DELETE", "/api/session", &ann, None).await;
    assert!(out.status == 204 && out.header("Set-Cookie").is_some_and(|field| field.contains("Max-Age=0")));
    let who = page(&program, "GET", "/api/session", &ann, None).await.json();
    assert_eq!(who["user"], Value::Null);
    // Neither what was typed nor what was made up is in the log.
    let log = program.log();
    for secret in [token, "correct horse", "another horse", password, &ann["forebay_session=".len()..]] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

/// A relay with an admin, and the cookie of a browser in which she is signed in.
async fn with_admin() -> (Relay, String) {
    let relay = Relay::start(CARD);
    let url = relay.setup_url();
    let token = url.split_once('#').expect("it ends in the token").1;
    let body = json!({ "token": token, "name": "ann", "password": "correct horse" });
    let made = Request::new("POST", relay.address(), "/api/setup").json(&body).send().await;
    let made = made.expect("the relay answers");
    assert_eq!(made.status, 201, "{}", made.text());
    (relay, cookie(&made))
}

#[tokio::test]
async fn session_fixation_leads_nowhere() {
    let (relay, _) = with_admin().await;
    let sign_in = async |name: &str, password: &str, cookie: &str| {
        let body = json!({ "name": name, "password": password });
        let request = Request::new("POST", relay.address(), "/api/session").header("Cookie", cookie);
        request.json(&body).send().await.expect("the relay answers")
    };
    let who = async |cookie: &str| {
        let request = Request::get(relay.address(), "/api/session").header("Cookie", cookie);
        request.send().await.expect("the relay answers").json()["user"]["name"].take()
    };
    let eve = json!({ "name": "eve", "password": "another horse" });
    let made = Request::new("POST", relay.address(), "/api/users").json(&eve).send().await;
    assert_eq!(made.expect("the relay answers").status, 201);
    let eves = cookie(&sign_in("eve", "another horse", "").await);
    // Eve has put her own session, or one that she has made up, into Ann's browser.
    for planted in [&*eves, "forebay_session=planted"] {
        let anns = cookie(&sign_in("ann", "correct horse", planted).await);
        assert_ne!(anns, planted);
        assert_eq!((who(&anns).await, who(planted).await), (json!("ann"), Value::Null));
    }
}

#[tokio::test]
async fn csrf_from_a_page_and_dns_rebinding_are_refused() {
    let (relay, ann) = with_admin().await;
    let ours = format!("http://{}", relay.address());
    let user = json!({ "name": "eve", "password": "another horse", "role": "admin" }).to_string();
    let ask = async |fields: &[(&str, &str)], kind: &str| {
        // Without a second Host: a page that was made to lead here sends its own.
        let request = Request::new("POST", relay.address(), "/api/users").http10();
        let request = request.header("Cookie", &ann).body(kind, user.clone());
        let request = fields.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send().await.expect("the relay answers")
    };
    let host = ("Host", &*relay.address().to_string().clone());
    let rebound = ("Host", "rebound.example");
    for (case, fields) in [
        (
            "a form of another site",
            vec![host, ("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.example")],
        ),
        (
            "another port of this host",
            vec![host, ("Sec-Fetch-Site", "same-site"), ("Origin", "http://127.0.0.1:1")],
        ),
        ("an old browser", vec![host, ("Origin", "http://evil.example")]),
        ("a page without an origin", vec![host, ("Origin", "null")]),
        ("an address that was typed", vec![host, ("Sec-Fetch-Site", "none")]),
        (
            "a rebound page",
            vec![rebound, ("Sec-Fetch-Site", "same-origin"), ("Origin", "http://rebound.example")],
        ),
        ("a rebound page of an old browser", vec![rebound, ("Origin", "http://rebound.example")]),
        ("a rebound page that claims to be ours", vec![rebound, ("Origin", &ours)]),
    ] {
        for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded"] {
            let answer = ask(&fields, kind).await;
            assert_eq!(refusal(&answer), (403, "forbidden".into()), "{case}, {kind}");
        }
    }
    let answer = ask(&[host, ("Sec-Fetch-Site", "same-origin")], "application/json").await;
    assert_eq!(answer.status, 201, "a page of ours: {}", answer.text());
}
