//! The keys of the configuration as its documentation has them, with their values here.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::environment::keys;
use super::file::TranscodeFile;
use super::{Config, SetBy, origins};

/// What tests hold to what the configuration does.
const MANUAL: &str = include_str!("../../docs/config.md");

/// Keys whose values may hold a password: they are not shown.
const SECRET: &[&str] = &["resolver.proxy"];

/// Stands for a value that is not shown.
const HIDDEN: &str = "***";

/// A key that is set in the file or by a variable, or that may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key with its section: `stream.idle_timeout`.
    pub key: String,
    /// What the manual says of it.
    pub manual: Manual,
    /// Its value as it was typed, and by what; none where the default holds.
    pub set: Option<(String, SetBy)>,
}

/// What the manual says of a key, in plain text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manual {
    /// Of which kind the value is: `duration`.
    pub kind: String,
    /// The value of who sets none, as it is typed; `none` where there is none.
    pub default: String,
    /// What is allowed; empty where the kind says it.
    pub range: String,
    /// What it is for.
    pub text: String,
}

/// All keys that are single values, in the order of their sections. Reads the file.
pub fn settings(config: &Config) -> Vec<Setting> {
    let mut set: HashMap<String, (String, SetBy)> =
        origins(config).into_iter().map(|origin| (origin.key, (origin.value, origin.by))).collect();
    // No variable sets those of [transcode].
    let transcode = TranscodeFile::KEYS.iter().map(|&key| (&["transcode"][..], key));
    let all = keys().chain(transcode).map(|(section, key)| {
        let key = format!("{}.{key}", section.join("."));
        let mut set = set.remove(&key);
        if let Some((value, _)) = set.as_mut().filter(|_| SECRET.contains(&&*key)) {
            HIDDEN.clone_into(value);
        }
        Setting { manual: ENTRIES.get(&key).cloned().unwrap_or_default(), key, set }
    });
    all.collect()
}

static ENTRIES: LazyLock<HashMap<String, Manual>> = LazyLock::new(|| {
    let (mut entries, mut section) = (HashMap::<String, Manual>::new(), String::new());
    for line in MANUAL.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            let named = heading.split_once("`[").and_then(|(_, rest)| rest.split_once("]`"));
            section = match named {
                Some((name, _)) => name.to_owned(),
                None if heading.ends_with(" An authority") => "server.tls.acme".to_owned(),
                None => section,
            };
        } else if let Some(row) = line.strip_prefix("| `") {
            let cells: Vec<String> = row.split(" |").map(plain).collect();
            if let [key, kind, default, range, ..] = &cells[..] {
                let [kind, default, range] = [kind, default, range].map(Clone::clone);
                let text = String::new();
                entries.insert(format!("{section}.{key}"), Manual { kind, default, range, text });
            }
        } else if let Some(item) = line.strip_prefix("- **`") {
            // One item may be about several keys: "- **`timeout`**, **`memory`**: the limits …"
            let Some((keys, text)) = item.split_once("`**: ") else { continue };
            for key in keys.split("`**, **`") {
                if let Some(entry) = entries.get_mut(&format!("{section}.{key}")) {
                    entry.text = plain(text);
                }
            }
        }
    }
    entries
});

/// The words of a piece of the manual, without its marks.
fn plain(marked: &str) -> String {
    let (mut text, mut rest) = (String::new(), marked);
    while let Some((before, link)) = rest.split_once('[') {
        text.push_str(before);
        rest = match link.split_once("](") {
            Some((words, target)) if !words.contains(']') => {
                text.push_str(words);
                target.split_once(')').map_or("", |(_, rest)| rest)
            }
            _ => {
                text.push('[');
                link
            }
        };
    }
    text.push_str(rest);
    let text = text.replace(['`', '|'], "").replace("**", "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_left_out() {
        for (marked, text) in [
            ("a `b` **c** [d e](f.md#g), h", "a b c d e, h"),
            ("in `[server]`, [x", "in [server], [x"),
            (" `\"5s\"` ", "\"5s\""),
        ] {
            assert_eq!(plain(marked), text);
        }
    }

    #[test]
    fn the_manual_has_every_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("channels.toml");
        let text = "[stream]\nidle_timeout = '60s'\n[resolver]\nproxy = 'http://joe:pw@h:1'\n";
        std::fs::write(&path, text).unwrap();
        let all = settings(&Config::load(&path).unwrap());
        for Setting { key, manual, .. } in &all {
            assert!([&manual.kind, &manual.default, &manual.text].iter().all(|it| !it.is_empty()), "{key}");
        }
        let of = |key: &str| all.iter().find(|setting| setting.key == key).unwrap();
        let idle = of("stream.idle_timeout");
        assert_eq!((&*idle.manual.kind, &*idle.manual.default), ("duration", "\"30s\""));
        let (value, by) = idle.set.clone().unwrap();
        assert_eq!((&*value, by.to_string()), ("'60s'", "line 2".to_owned()));
        assert_eq!(of("resolver.proxy").set.clone().unwrap().0, "***");
        assert_eq!(of("stream.buffer").set, None);
        assert_eq!(of("transcode.cpu_limit").manual.default, "80");
    }
}
