//! The page of the log, and the settings with where they come from, of a real process.

mod players {
    use forebay_testkit::client::Request;
    use forebay_testkit::player::{Screen, Step, visit_on};
    use serde_json::{Value, json};

    use crate::admin::players::SETS_UP;
    use crate::people::setup_line;
    use crate::program::{Program, Setup};

    async fn get(program: &Program, path: &str) -> Value {
        let request = Request::get(program.address(), path);
        let request = request.header("Authorization", &program.admin_token());
        request.send().await.expect("the program answers").json()
    }

    #[tokio::test]
    async fn the_log_and_the_settings_of_a_server_are_shown() {
        let config = "[stream]\nstall_timeout = '7s'\n[resolver]\nproxy = 'http://joe:hunter2@127.0.0.1:9'\n";
        let program = Setup::new(config).env("FOREBAY_STREAM_IDLE_TIMEOUT", "45s").start().await;
        let page = |name: &str| format!("http://{}/admin/{name}", program.address());
        let (logs, backups, settings) = (page("logs"), page("backups"), page("settings"));
        let steps = [
            Step::Goes(&logs),
            Step::Sees("there are no channels"),
            Step::Judges,
            Step::Rests,
            Step::Fills("Search the log", "no such words"),
            Step::Sees("No line matches."),
            Step::Goes(&backups),
            Step::Clicks("Make a backup"),
            Step::Sees("was made"),
            Step::Goes(&logs),
            Step::Fills("Search the log", "user:1:ann"),
            Step::Sees("backup made"),
            Step::Goes(&settings),
            Step::Sees("FOREBAY_STREAM_IDLE_TIMEOUT"),
            Step::Judges,
            Step::Fills("Search the settings", "stall"),
            Step::Sees("7s"),
            Step::Judges,
        ];
        let screen = Screen { is_phone: true, is_dark: true, ..Screen::default() };
        let setup = setup_line(&program).await;
        let visited = visit_on(&screen, &setup, &[&SETS_UP[..], &steps].concat()).await;
        assert_eq!((&visited.said, &visited.failed), (&vec![], &vec![]), "{visited:#?}");
        assert_eq!(visited.faults, Vec::<String>::new(), "{visited:#?}");

        let all = get(&program, "/api/settings").await;
        let of = |key: &str| {
            let all = all["settings"].as_array().expect("a list");
            all.iter().find(|setting| setting["key"] == key).expect("it is one").clone()
        };
        let idle = of("stream.idle_timeout");
        assert_eq!((&idle["value"], &idle["default"]), (&json!("45s"), &json!("\"30s\"")));
        assert_eq!(idle["origin"], json!({ "variable": "FOREBAY_STREAM_IDLE_TIMEOUT" }));
        assert_eq!(of("stream.buffer")["origin"], Value::Null);
        assert!(of("stream.stall_timeout")["origin"]["line"].as_u64().is_some_and(|line| line > 1));
        assert_eq!(of("resolver.proxy")["value"], "***");

        let lines = get(&program, "/api/logs?limit=500").await["lines"].as_array().expect("a list").clone();
        let made = lines.iter().find(|line| line["message"] == "backup made").expect("it was logged");
        assert_eq!((&made["level"], &made["fields"]["actor"]), (&json!("INFO"), &json!("user:1:ann")));
        let after = get(&program, &format!("/api/logs?after={}", made["id"])).await;
        let ids = after["lines"].as_array().expect("a list").iter().map(|line| line["id"].as_u64());
        assert!(ids.into_iter().all(|id| id > made["id"].as_u64()));
        assert!(!lines.iter().any(|line| line.to_string().contains("hunter2")));
    }
}
