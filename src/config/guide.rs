//! Guides: what is on which channel, as others tell it.

use std::time::Duration;

use forebay_core::guide::times::Clock;
use forebay_relay::model::{Checker, DurationText, FieldError, HeadersText, House, UrlText};
use jiff::tz::TimeZone;

use super::playlist::{Origin, Playlist, PlaylistSpec};

/// Times of a guide are moved by a day at most.
const MAX_SHIFT: Duration = Duration::from_hours(24);

forebay_relay::table! {
    /// `[[guides]]`, with every field optional and as it was typed.
    pub struct GuideSpec {
        /// Its name in the configuration file.
        id: String,
        /// Where it is: XMLTV, plain or compressed.
        url: UrlText,
        /// The zone of times that name none, such as Europe/London.
        timezone: String,
        /// How much is added to each time, such as 1h 30m or -1h.
        shift: String,
        /// How often it is read again.
        refresh: DurationText,
        /// The `User-Agent` to send.
        user_agent: String,
        /// Request headers to add.
        headers: HeadersText,
        /// The address of a proxy, or none.
        proxy: String,
        /// verify or unverified.
        tls: String,
        /// See [`Scope`](forebay_relay::model::Scope).
        allow_private: bool,
        /// The character set, if the guide does not say the right one.
        charset: String,
    }
}

impl Eq for GuideSpec {}

/// A guide, checked.
#[derive(Debug, Clone)]
pub struct Guide {
    /// Where it is, how often it is read, and in which character set.
    pub document: Playlist,
    /// How its times are read.
    pub clock: Clock,
}

impl GuideSpec {
    /// The guide, or each field that is wrong.
    pub fn check(&self, house: &House) -> Result<Guide, Vec<FieldError>> {
        let mut checker = Checker::default();
        let guide = self.check_with(&mut checker, house);
        let errors = checker.into_errors();
        guide.filter(|_| errors.is_empty()).ok_or(errors)
    }

    /// The guide; none without a good address.
    pub fn check_with(&self, checker: &mut Checker, house: &House) -> Option<Guide> {
        // A guide is fetched as a list of channels is.
        let document = PlaylistSpec {
            id: self.id.clone(),
            kind: Some("m3u".to_owned()),
            url: self.url.clone(),
            refresh: self.refresh.clone(),
            user_agent: self.user_agent.clone(),
            headers: self.headers.clone(),
            proxy: self.proxy.clone(),
            tls: self.tls.clone(),
            allow_private: self.allow_private,
            charset: self.charset.clone(),
            ..PlaylistSpec::default()
        };
        let document = document.check_with(checker, house);
        if document.as_ref().is_some_and(|it| it.origin == Origin::Upload) {
            checker.fault("url", "url: is missing");
        }
        let zone = checker.field("timezone", self.timezone.as_ref(), |name| {
            TimeZone::get(name)
                .map_err(|_| format!("\"{name}\" is no time zone, expected one like Europe/London"))
        });
        let shift = checker.field("shift", self.shift.as_ref(), |text| shift(text));
        Some(Guide { document: document?, clock: Clock { zone, shift: shift.unwrap_or_default() } })
    }
}

/// `1h 30m` or `-1h`, in seconds.
fn shift(text: &str) -> Result<i64, String> {
    let (sign, span) = match text.trim().strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.trim().trim_start_matches('+')),
    };
    let span = humantime::parse_duration(span.trim()).map_err(|error| error.to_string())?;
    if span > MAX_SHIFT {
        return Err(format!("\"{text}\" is out of range, expected -24h to 24h"));
    }
    Ok(sign * i64::try_from(span.as_secs()).expect("it is a day at most"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize as _;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        let check = |value| GuideSpec::deserialize(value).unwrap().check(&House::default());
        let good = check(
            json!({ "id": "a", "url": "http://h/a.xml.gz", "timezone": "Europe/London", "shift": "-1h 30m" }),
        );
        assert_eq!(good.unwrap().clock.shift, -5400);
        for (value, field) in [
            (json!({ "id": "a" }), "url"),
            (json!({ "id": "a", "url": "testcard://" }), "url"),
            (json!({ "id": "a", "url": "http://h/", "timezone": "BST" }), "timezone"),
            (json!({ "id": "a", "url": "http://h/", "shift": "25h" }), "shift"),
            (json!({ "id": "a", "url": "http://h/", "shift": "soon" }), "shift"),
            (json!({ "id": "a", "url": "http://h/", "refresh": "1s" }), "refresh"),
        ] {
            let errors = check(value).unwrap_err();
            assert_eq!(errors[0].path.to_string(), field);
        }
    }
}
