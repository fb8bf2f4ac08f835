//! docs/config.md says what the configuration does.

use super::*;

/// Every key of the file, as the reader lists them to whoever types a wrong one.
fn keys(text: &str) -> Vec<String> {
    let message = parse(text).unwrap_err();
    let list = message.split_once("expected ").unwrap().1.split(';').next().unwrap();
    let list = list.strip_prefix("one of ").unwrap_or(list);
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_is_in_the_documentation() {
    let docs = include_str!("../../../docs/config.md");
    for section in keys("zzzzzz = 1") {
        assert!(docs.contains(&format!("[{section}]")), "{section}");
    }
    for (heading, wrong) in [
        ("## `[server]`", "[server]\nzzzzzz = 1"),
        ("## `[server.tls]`", "[server.tls]\nzzzzzz = 1"),
        ("### An authority", "[server.tls.acme]\nzzzzzz = 1"),
        ("## `[oidc]`", "[oidc]\nzzzzzz = 1"),
        ("## `[hdhomerun]`", "[hdhomerun]\nzzzzzz = 1"),
        ("## `[log]`", "[log]\nzzzzzz = 1"),
        ("## `[data]`", "[data]\nzzzzzz = 1"),
        ("## `[stream]`", "[stream]\nzzzzzz = 1"),
        ("## `[[providers]]`", "[[providers]]\nzzzzzz = 1"),
        ("## `[[playlists]]`", "[[playlists]]\nzzzzzz = 1"),
        ("## `[[pushes]]`", "[[pushes]]\nzzzzzz = 1"),
        ("## `[[webhooks]]`", "[[webhooks]]\nzzzzzz = 1"),
        ("## `[backups]`", "[backups]\nzzzzzz = 1"),
        ("### A source", "[[channels]]\nsources = [{ zzzzzz = 1 }]"),
    ] {
        let section = docs.split_once(heading).unwrap().1.split("\n## ").next().unwrap();
        for key in keys(wrong) {
            assert!(section.contains(&format!("| `{key}` |")), "{heading}: the table lacks {key}");
            assert!(section.contains(&format!("**`{key}`**")), "{heading}: the text lacks {key}");
        }
    }
    let channels = docs.split_once("## `[[channels]]`").unwrap().1;
    let stream = keys("[stream]\nzzzzzz = 1");
    let all = keys("[[channels]]\nzzzzzz = 1");
    for key in all.iter().filter(|key| !stream.contains(key)) {
        assert!(
            channels.contains(&format!("| `{key}` |")) && channels.contains(&format!("**`{key}`**")),
            "{key}"
        );
    }
    assert!(stream.iter().all(|key| all.contains(key)), "a channel may override each key of [stream]");
}

#[test]
fn the_defaults_in_the_documentation_are_the_defaults() {
    let docs = include_str!("../../../docs/config.md");
    let mut text = String::new();
    for section in ["server", "log", "stream", "stream.health"] {
        writeln!(text, "[{section}]").unwrap();
        let part = docs.split_once(&format!("## `[{section}]`")).unwrap().1.split("\n## ").next().unwrap();
        for row in part.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            if cells[3] != "none" {
                writeln!(text, "{} = {}", cells[1], cells[3]).unwrap();
            }
        }
    }
    text += "[[channels]]\nid = \"a\"\nsources = [\"testcard://\"]";
    let config = parse(&text).unwrap();
    assert_eq!(config.server, Server::default());
    assert_eq!(config.log, Log::default());
    assert_eq!(config.channels[0].policy, Policy::default());
}

#[test]
fn the_example_in_the_documentation_is_good() {
    let docs = include_str!("../../../docs/config.md");
    for example in docs.split("```toml\n").skip(1) {
        parse(example.split("```").next().unwrap()).unwrap();
    }
}
