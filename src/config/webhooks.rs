//! Webhooks: servers that are told what happens.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use url::Url;

/// The types of messages. Those of viewers who come and go are not among them: a crowd would be
/// thousands a second.
pub const TYPES: [&str; 16] = [
    "channel.opened",
    "channel.closed",
    "channel.source_started",
    "channel.source_switched",
    "channel.outage_started",
    "channel.outage_ended",
    "provider.full",
    "configuration.reloaded",
    "configuration.refused",
    "playlist.refreshed",
    "playlist.held",
    "playlist.failed",
    "job.ended",
    "push.published",
    "push.ended",
    "service.failed",
];

/// `[[webhooks]]`: a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub id: String,
    /// Where messages are sent.
    pub url: WebhookUrl,
    /// What they are signed with.
    pub secret: SigningSecret,
    /// The types that are sent; all if absent.
    pub events: Option<Vec<String>>,
}

/// The http or https address of a receiver. Its path and query may hold a secret: printed, it shows
/// its server only.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong, without the address.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "it is no address")?;
        let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
        is_http.then_some(Self(url)).ok_or("expected http or https")
    }

    /// The address, to be sent to.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

/// Begins each secret.
const PREFIX: &str = "whsec_";

/// Bytes that a secret may have.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What a receiver and we know, as Standard Webhooks 1.0.0 has it. It is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl SigningSecret {
    /// Reads `whsec_` and 24 to 64 bytes in Base64.
    ///
    /// # Errors
    /// What is wrong, without the secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or("it does not begin with whsec_")?;
        let bytes = STANDARD.decode(encoded).map_err(|_| "what stands behind whsec_ is not Base64")?;
        if BYTES.contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(format!("it has {} bytes, and may have 24 to 64", bytes.len()))
        }
    }

    /// The header `webhook-signature` of a message that is sent at this second since 1970:
    /// HMAC-SHA256 of its id, the time and the body, with dots between.
    pub fn sign(&self, id: &str, at: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, format!("{id}.{at}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_the_text_has_it() {
        // The example of the specification.
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn bad_secrets_are_refused_without_being_told() {
        for text in ["hunter2", "whsec_hunter2!", "whsec_aHVudGVyMg==", ""] {
            let error = SigningSecret::parse(text).unwrap_err();
            assert!(!error.contains("hunter2") && !error.contains("aHVud"), "{error}");
        }
    }

    #[test]
    fn an_address_shows_its_server_only() {
        let url = WebhookUrl::parse("https://joe:s3cret@hooks.example/in/t0ken?key=k").unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://hooks.example https://hooks.example");
        for wrong in ["hooks.example", "ftp://h/", ""] {
            assert!(WebhookUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
