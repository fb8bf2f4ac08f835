//! `[[webhooks]]`.

use std::path::Path;

use forebay_relay::error::reason;
use forebay_relay::model::{Checker, FieldPath, UrlText};

use super::super::file::WebhookFile;
use super::super::webhooks::{SigningSecret, TYPES, Webhook, WebhookUrl};
use forebay_relay::model::nearest::did_you_mean;

/// The largest file with a secret.
const MAX_SECRET: u64 = 4096;

/// One webhook, where it is good, and where its id stands.
pub(super) fn webhook(
    checker: &mut Checker,
    typed: &WebhookFile,
    folder: &Path,
) -> Option<(Webhook, FieldPath)> {
    let before = checker.count();
    let id = required(checker, "id", typed.id.as_ref());
    let id = checker.field("id", id, |text| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let fits = (1..=64).contains(&text.len()) && text.chars().all(is_plain);
        fits.then(|| text.clone()).ok_or("expected 1 to 64 of A-Z a-z 0-9 . _ -")
    });
    let url = required(checker, "url", typed.url.as_ref().map(|UrlText(text)| text));
    let url = checker.field("url", url, |text| WebhookUrl::parse(text));
    let secret = required(checker, "secret", typed.secret.as_ref().map(|UrlText(text)| text));
    let secret = checker.field("secret", secret, |text| read_secret(text, folder));
    let kind = |text: &str| {
        let is_known = TYPES.contains(&text);
        is_known
            .then(|| text.to_owned())
            .ok_or_else(|| format!("\"{text}\" is no event{}", did_you_mean(text, &TYPES)))
    };
    let events = typed.events.as_deref().map(|names| checker.list("events", names, kind));
    if checker.count() > before {
        return None;
    }
    Some((Webhook { id: id?, url: url?, secret: secret?, events }, checker.path().to("id")))
}

fn required<'a>(checker: &mut Checker, key: &'static str, typed: Option<&'a String>) -> Option<&'a String> {
    let typed = typed.filter(|text| !text.trim().is_empty());
    if typed.is_none() {
        checker.fault(key, format!("{key}: is missing"));
    }
    typed
}

/// A secret, or where it is: `env:NAME` or `file:PATH`. No message repeats it.
fn read_secret(text: &str, folder: &Path) -> Result<SigningSecret, String> {
    let text = match text.trim().split_once(':') {
        Some(("env", name)) => {
            std::env::var(name).map_err(|_| format!("the variable {name} is not set, or no text"))?
        }
        Some(("file", path)) => {
            let path = folder.join(path);
            let unreadable = |why: String| format!("cannot read {}: {why}", path.display());
            let size = std::fs::metadata(&path).map_err(|error| unreadable(reason(&error)))?;
            if !size.is_file() || size.len() > MAX_SECRET {
                return Err(unreadable("it is no small file".to_owned()));
            }
            std::fs::read_to_string(&path).map_err(|error| unreadable(reason(&error)))?
        }
        _ => text.to_owned(),
    };
    SigningSecret::parse(&text)
}
