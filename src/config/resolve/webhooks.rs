//! `[[webhooks]]`.

use std::path::Path;

use forebay_relay::model::{Checker, FieldPath, UrlText};

use super::super::file::WebhookFile;
use super::super::webhooks::{SigningSecret, TYPES, Webhook, WebhookUrl};
use super::secret::{self, required};
use forebay_relay::model::nearest::did_you_mean;

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
    let secret = checker.field("secret", secret, |text| SigningSecret::parse(&secret::read(text, folder)?));
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
