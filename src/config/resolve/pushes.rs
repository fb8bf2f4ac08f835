//! `[[pushes]]`.

use std::path::Path;

use forebay_relay::error::reason;
use forebay_relay::model::{Checker, FieldPath, UrlText};
use forebay_relay::push::{Key, Push, PushId, PushUrl};

use super::super::file::PushFile;

/// The largest file with a key.
const MAX_KEY: u64 = 4096;

/// One push, where it is good, and where its id stands.
pub(super) fn push(checker: &mut Checker, typed: &PushFile, folder: &Path) -> Option<(Push, FieldPath)> {
    let before = checker.count();
    let id = required(checker, "id", typed.id.as_ref());
    let id: Option<PushId> =
        checker.field("id", id, |text| text.parse().map_err(|why| format!("the id {why}")));
    let channel = required(checker, "channel", typed.channel.as_ref());
    let channel = checker.field("channel", channel, |text| text.parse());
    let key = typed.key.as_ref().map(|UrlText(text)| text);
    let key = checker.field("key", key, |text| read_key(text, folder));
    let url = typed.url.as_ref().map(|UrlText(text)| text);
    let url = required(checker, "url", url);
    // What is wrong with a key is told already.
    let is_judged = checker.count() == before;
    let url = checker.field("url", url.filter(|_| is_judged), |text| PushUrl::parse(text, key.clone()));
    let trust = checker.field("tls", typed.tls.as_ref(), |text| text.parse());
    if checker.count() > before {
        return None;
    }
    let push = Push {
        id: id?,
        channel: channel?,
        url: url?,
        trust: trust.unwrap_or_default(),
        is_enabled: typed.enabled.unwrap_or(true),
    };
    Some((push, checker.path().to("id")))
}

fn required<'a>(checker: &mut Checker, key: &'static str, typed: Option<&'a String>) -> Option<&'a String> {
    let typed = typed.filter(|text| !text.trim().is_empty());
    if typed.is_none() {
        checker.fault(key, format!("{key}: is missing"));
    }
    typed
}

/// A key, or where it is: `env:NAME` or `file:PATH`. No message repeats it.
fn read_key(text: &str, folder: &Path) -> Result<Key, String> {
    let key = match text.trim().split_once(':') {
        Some(("env", name)) => {
            std::env::var(name).map_err(|_| format!("the variable {name} is not set, or no text"))?
        }
        Some(("file", path)) => {
            let path = folder.join(path);
            let unreadable = |why: String| format!("cannot read {}: {why}", path.display());
            let size = std::fs::metadata(&path).map_err(|error| unreadable(reason(&error)))?;
            if !size.is_file() || size.len() > MAX_KEY {
                return Err(unreadable("it is no small file".to_owned()));
            }
            std::fs::read_to_string(&path).map_err(|error| unreadable(reason(&error)))?
        }
        _ => text.to_owned(),
    };
    Key::new(&key).ok_or_else(|| "there is no text in it".to_owned())
}
