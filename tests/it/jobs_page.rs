//! The page of jobs, in a real browser: what runs is cancelled, and a queue is paused.

mod players {
    use forebay_testkit::client::{get, get_json};
    use forebay_testkit::platform::Platform;
    use forebay_testkit::player::{Screen, Step, visit_on};
    use serde_json::json;

    use crate::admin::players::{SETS_UP, assert_is_good};
    use crate::page_channels::relay;
    use crate::page_jobs::send;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_is_cancelled_and_its_queue_is_paused_until_somebody_goes_on() {
        let mut platform = Platform::start().await;
        let relay = relay(&platform, "");
        // Nobody who looks at this page ever gets an answer.
        let page = json!({ "url": Platform::page("hang") });
        assert_eq!(send(relay.address(), "POST", "analyze", Some(page)).await.status, 200);
        platform.processes().await;
        let jobs = relay.url("/admin/jobs");
        let steps = [
            Step::Goes(&jobs),
            Step::Sees("1 job running"),
            Step::Sees("Processors taken or set aside"),
            Step::Sees("1 of 5 running"),
            Step::Judges,
            Step::Rests,
            Step::Selects("State", "Failed"),
            Step::Sees("No job matches"),
            Step::Selects("State", "Running"),
            Step::Selects("Kind", "Look at a page"),
            Step::Sees("youtube/hang"),
            Step::Clicks("Cancel job 1"),
            Step::Sees("A running job ends"),
            Step::Judges,
            Step::Clicks("Cancel the job"),
            Step::Sees("No job matches"),
            Step::Selects("State", "Cancelled"),
            Step::Sees("youtube/hang"),
            Step::Sees("0 jobs running"),
            Step::Judges,
            Step::Clicks("Pause Look at a page"),
            Step::Sees("no job begins until you go on"),
            Step::Judges,
        ];
        let screen = Screen { is_phone: true, ..Screen::default() };
        let visited = visit_on(&screen, &relay.setup_url(), &[&SETS_UP[..], &steps].concat()).await;
        assert_is_good(&relay, &visited);
        assert!(visited.url.ends_with("/admin/jobs?state=cancelled&kind=analyze"), "{visited:#?}");
        let (_, list) = get_json(relay.address(), "/api/v1/jobs").await;
        let queue =
            list["queues"].as_array().expect("a list").iter().find(|queue| queue["kind"] == "analyze");
        assert_eq!(queue.expect("it is there")["paused"], true, "{list}");
        assert_eq!(get(relay.address(), "/api/v1/jobs/1").await.json()["state"], "cancelled");
    }
}
