//! The page of backups, in a real browser: one is made, downloaded and restored.

mod players {
    use forebay_testkit::client::Request;
    use forebay_testkit::player::{Screen, Step, visit_on};
    use rustix::process::Signal;

    use crate::admin::players::SETS_UP;
    use crate::people::setup_line;
    use crate::program::Setup;

    #[tokio::test]
    async fn a_backup_is_made_and_brings_back_who_there_was_at_the_next_start() {
        let program = Setup::new("").start().await;
        let address = program.address();
        let pages = ["backups", "users"].map(|page| format!("http://{address}/admin/{page}"));
        let [backups, users] = &pages;
        let steps = [
            Step::Goes(backups),
            Step::Sees("There is no backup yet"),
            Step::Clicks("Make a backup"),
            Step::Sees("was made"),
            Step::Awaits("Download forebay-"),
            Step::Judges,
            Step::Rests,
            Step::Goes(users),
            Step::Clicks("Add a user"),
            Step::Fills("Name", "ben"),
            Step::Fills("Password", "long enough"),
            Step::Clicks("Save"),
            Step::Sees("ben is a user now."),
            Step::Goes(backups),
            Step::Clicks("Restore forebay-"),
            Step::Sees("At its next start, Forebay goes back to"),
            Step::Judges,
            Step::Clicks("Restore it"),
            Step::Sees("is restored when Forebay starts the next time"),
            Step::Judges,
            Step::Clicks("Do not restore it"),
            Step::Sees("No backup is restored at the next start."),
            Step::Clicks("Restore forebay-"),
            Step::Clicks("Restore it"),
            Step::Sees("is restored when Forebay starts the next time"),
            Step::Goes(users),
            Step::Goes(backups),
            Step::Sees("is restored when Forebay starts the next time"),
        ];
        let screen = Screen { is_phone: true, is_dark: true, ..Screen::default() };
        let setup = setup_line(&program).await;
        let visited = visit_on(&screen, &setup, &[&SETS_UP[..], &steps].concat()).await;
        assert_eq!((&visited.said, &visited.failed), (&vec![], &vec![]), "{visited:#?}");
        assert_eq!(visited.faults, Vec::<String>::new(), "{visited:#?}");

        let admin = |path: &str| Request::get(address, path).header("Authorization", &program.admin_token());
        let list = admin("/api/backups").send().await.expect("the program answers").json();
        let made = &list["backups"][0];
        let path = format!("/api/backups/{}", made["name"].as_str().expect("it has a name"));
        assert!(visited.links.contains(&format!("http://{address}{path}")), "{visited:#?}");
        let file = admin(&path).send().await.expect("the program answers");
        assert_eq!((file.status, &made["size"]), (200, &file.body.len().into()));

        program.signal(Signal::TERM);
        let (folder, _) = program.wait_in_folder().await;
        let program = Setup::again(folder).start().await;
        let request = Request::get(program.address(), "/api/users");
        let request = request.header("Authorization", &program.admin_token());
        let users = request.send().await.expect("the program answers").json();
        assert_eq!((&users["users"][0]["name"], users["users"].get(1)), (&"ann".into(), None));
    }
}
