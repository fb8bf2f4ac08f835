//! `[[pushes]]`.

use std::path::Path;

use forebay_relay::model::{Checker, FieldPath, UrlText};
use forebay_relay::push::{Key, Push, PushId, PushUrl};

use super::super::file::PushFile;
use super::secret::{self, required};

/// One push, where it is good, and where its id stands.
pub(super) fn push(checker: &mut Checker, typed: &PushFile, folder: &Path) -> Option<(Push, FieldPath)> {
    let before = checker.count();
    let id = required(checker, "id", typed.id.as_ref());
    let id: Option<PushId> =
        checker.field("id", id, |text| text.parse().map_err(|why| format!("the id {why}")));
    let channel = required(checker, "channel", typed.channel.as_ref());
    let channel = checker.field("channel", channel, |text| text.parse());
    let key = typed.key.as_ref().map(|UrlText(text)| text);
    let key = checker.field("key", key, |text| {
        Key::new(&secret::read(text, folder)?).ok_or_else(|| "there is no text in it".to_owned())
    });
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
