//! People: the first admin, signing in, commands on the host.

use std::time::Duration;

use forebay_testkit::client::{Answer, Request};
use serde_json::{Value, json};

use crate::program::{Program, Setup};

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
async fn setup_line(program: &Program) -> String {
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
    assert_eq!(who, json!({ "needs_setup": false, "user": { "id": 1, "name": "ann", "role": "admin" } }));
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
