//! The sources of a channel, as somebody wrote them.

use std::fmt;

use forebay_core::playlist::ladder::Prefer;
use http::header::{HeaderName, HeaderValue};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::access::check_access;
use super::checker::{Checker, Step};
use super::house::House;
use super::units::parse_bandwidth;
use crate::model::header::{parse_name, parse_user_agent, parse_value};
use crate::model::nearest::did_you_mean;
use crate::model::{Source, SourceKind, SourceUrl};

/// More than any provider asks for; servers refuse heads beyond some kilobytes.
const MAX_HEADERS: usize = 32;

/// A source: its address alone, or a table.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceSpec {
    /// `"http://…"`
    Url(UrlText),
    /// `{ url = "http://…", … }`
    Fields(Box<SourceFields>),
}

/// An address as it was typed. It never prints itself: it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlText(pub String);

/// Request headers in the order in which they were typed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeadersText(pub Vec<(String, String)>);

crate::table! {
    /// `{ url = "http://…", provider = "…", headers = { … }, … }`
    pub struct SourceFields {
        /// Where it is.
        url: UrlText,
        /// Whose connection it is.
        provider: String,
        /// Request headers to add.
        headers: HeadersText,
        /// The `User-Agent` to send.
        user_agent: String,
        /// Of a multivariant playlist: what the variant may need, in bits a second.
        max_bitrate: String,
        /// Which variant of it is the best.
        variant: String,
        /// See [`Access::allow_private`](crate::model::Access::allow_private).
        allow_private: bool,
        /// verify or unverified.
        tls: String,
        /// The address of a proxy, or none.
        proxy: String,
    }
}

impl SourceSpec {
    /// The source; none without a good address.
    pub(super) fn check(&self, checker: &mut Checker, house: &House) -> Option<Source> {
        match self {
            Self::Url(text) => match SourceUrl::parse(&text.0, &house.folder) {
                Ok(url) => Some(Source::new(url)),
                Err(error) => {
                    checker.fault_here(format!("source: {error}"));
                    None
                }
            },
            Self::Fields(fields) => fields.check(checker, house),
        }
    }
}

impl SourceFields {
    fn check(&self, checker: &mut Checker, house: &House) -> Option<Source> {
        let user_agent = checker.field("user_agent", self.user_agent.as_ref(), |text| parse_user_agent(text));
        let max_bitrate =
            checker.field("max_bitrate", self.max_bitrate.as_ref(), |text| parse_bandwidth(text));
        let variant = checker.field("variant", self.variant.as_ref(), |text| parse_variant(text));
        let headers = self.check_headers(checker);
        let provider = house.provider(checker, self.provider.as_ref());
        let Some(url) = &self.url else {
            checker.fault("url", "the key \"url\" is missing");
            return None;
        };
        let url = SourceUrl::parse(&url.0, &house.folder)
            .map_err(|error| checker.fault("url", format!("source: {error}")))
            .ok()?;
        // What is not http sends none.
        let shared = provider.as_ref().filter(|_| url.kind() == SourceKind::Http);
        let shared = shared.and_then(|id| house.shared(id).cloned()).unwrap_or_default();
        let access =
            check_access(checker, self.allow_private, self.tls.as_ref(), self.proxy.as_ref(), shared.access);
        Some(Source {
            provider,
            user_agent: user_agent.or(shared.user_agent),
            max_bitrate,
            variant: variant.unwrap_or_default(),
            headers,
            access,
            ..Source::new(url)
        })
    }

    fn check_headers(&self, checker: &mut Checker) -> Vec<(HeaderName, HeaderValue)> {
        let Some(HeadersText(typed)) = &self.headers else { return Vec::new() };
        if typed.len() > MAX_HEADERS {
            checker.fault_here(format!("headers: more than {MAX_HEADERS}"));
        }
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::with_capacity(typed.len());
        checker.within("headers", |checker| {
            for (typed, value) in typed {
                let is_known = |name: &HeaderName| headers.iter().any(|(known, _)| known == name);
                let name = match parse_name(typed) {
                    Ok(name) if is_known(&name) => Err(format!("{typed} stands here a second time")),
                    result => result,
                };
                match name {
                    Err(error) => checker.fault(Step::Name(typed.clone()), format!("headers: {error}")),
                    Ok(name) => match parse_value(value) {
                        Err(error) => checker.fault(typed.clone(), format!("{name}: {error}")),
                        Ok(value) => headers.push((name, value)),
                    },
                }
            }
        });
        headers
    }
}

fn parse_variant(text: &str) -> Result<Prefer, String> {
    match text {
        "compatible" => Ok(Prefer::Compatible),
        "best" => Ok(Prefer::Best),
        _ => {
            let guess = did_you_mean(text, &["compatible", "best"]);
            Err(format!("\"{text}\" is unknown, expected compatible or best{guess}"))
        }
    }
}

// An untagged enum would say only that no variant fits; a visitor says what was expected, at the
// place itself.
impl<'de> Deserialize<'de> for SourceSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = SourceSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address or a table with the key url")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(SourceSpec::Url(UrlText(text.into())))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                SourceFields::deserialize(MapAccessDeserializer::new(map))
                    .map(|fields| SourceSpec::Fields(Box::new(fields)))
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

impl<'de> Deserialize<'de> for UrlText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for HeadersText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = HeadersText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut headers = Vec::new();
                while let Some(header) = map.next_entry()? {
                    headers.push(header);
                }
                Ok(HeadersText(headers))
            }
        }
        deserializer.deserialize_map(Seen)
    }
}

impl fmt::Debug for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlText(***)")
    }
}

impl fmt::Debug for HeadersText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeadersText(***)")
    }
}
