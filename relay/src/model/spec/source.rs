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
use crate::model::{Scope, Source, SourceUrl};

/// Words of a command line.
const MAX_WORDS: usize = 256;

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
        /// A program whose output it is, and its arguments.
        exec: Vec<String>,
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
        /// See [`Scope`](crate::model::Scope).
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
            Self::Url(text) => match parse_url(text, house) {
                // A bare address names no provider, so nothing of one applies.
                Ok(url) => Some(within(Source::new(url), house)),
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
        let url = match (&self.url, &self.exec) {
            (Some(url), None) => {
                let parsed = parse_url(url, house);
                parsed.map_err(|error| checker.fault("url", format!("source: {error}"))).ok()?
            }
            (None, Some(words)) => check_program(checker, words, house)?,
            (Some(_), Some(_)) => {
                checker.fault("exec", "a source has either url or exec");
                return None;
            }
            (None, None) => {
                checker.fault("url", "the key \"url\" is missing");
                return None;
            }
        };
        if house.is_internet_only {
            self.check_internet_only(checker);
        }
        // What is not http sends none.
        let shared = provider.as_ref().filter(|_| url.kind().is_requested());
        let shared = shared.and_then(|id| house.shared(id).cloned()).unwrap_or_default();
        let access =
            check_access(checker, self.allow_private, self.tls.as_ref(), self.proxy.as_ref(), shared.access);
        let source = Source {
            provider,
            user_agent: user_agent.or(shared.user_agent),
            max_bitrate,
            variant: variant.unwrap_or_default(),
            headers,
            access,
            ..Source::new(url)
        };
        Some(within(source, house))
    }

    /// A proxy is an address of somebody's choice, too, and sees more than we do.
    fn check_internet_only(&self, checker: &mut Checker) {
        if self.allow_private == Some(true) {
            checker.fault("allow_private", format!("allow_private: {NOT_ALLOWED}"));
        }
        if self.proxy.as_ref().is_some_and(|proxy| proxy != "none") {
            checker.fault("proxy", format!("proxy: {NOT_ALLOWED}"));
        }
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

/// What somebody is told who may not name such a thing.
const NOT_ALLOWED: &str = "only the configuration may say this, unless it sets allow_private_sources";

/// The address of a source, if the house may have it.
fn parse_url(text: &UrlText, house: &House) -> Result<SourceUrl, String> {
    let url = SourceUrl::parse(&text.0, &house.folder).map_err(|error| error.to_string())?;
    if !house.is_internet_only {
        return Ok(url);
    }
    let refusal = || format!("it is a file, or not on the internet: {NOT_ALLOWED}");
    url.is_on_internet().then_some(url).ok_or_else(refusal)
}

/// A program with its arguments, if the house may run some.
fn check_program(checker: &mut Checker, words: &[String], house: &House) -> Option<SourceUrl> {
    let fault = match words {
        _ if !house.allows_programs => "only the configuration may name programs",
        [] => "names no program; write exec = [\"program\", \"argument\"]",
        [program, ..] if program.trim().is_empty() => "the name of the program is empty",
        _ if words.len() > MAX_WORDS => "more words than anybody types",
        _ if words.iter().any(|word| word.contains('\0')) => "no word may hold a zero byte",
        _ => return Some(SourceUrl::program(words)),
    };
    checker.fault("exec", format!("exec: {fault}"));
    None
}

/// Bounds a source as the house wants it, whatever its provider may reach.
fn within(mut source: Source, house: &House) -> Source {
    if house.is_internet_only {
        // Whatever its provider may reach: somebody else than the operator chose the address.
        source.access.scope = Scope::Internet;
    }
    source
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

#[cfg(test)]
mod tests {
    use serde::de::value::MapDeserializer;

    use super::*;

    fn url(text: &str) -> SourceSpec {
        SourceSpec::Url(UrlText(text.to_owned()))
    }

    fn check(spec: &SourceSpec, house: &House) -> Result<Source, String> {
        let mut checker = Checker::default();
        let source =
            checker.within("sources", |checker| checker.within(0, |checker| spec.check(checker, house)));
        match &checker.into_errors()[..] {
            [] => Ok(source.expect("without an error there is one")),
            [error] => Err(format!("{}: {}", error.path, error.message)),
            errors => panic!("{errors:?}"),
        }
    }

    #[test]
    fn a_house_of_others_has_sources_on_the_internet_only() {
        let house = House { is_internet_only: true, ..House::default() };
        for good in
            ["http://cdn.example/a.ts", "https://1.1.1.1/", "http://[2606:4700::1111]/", "testcard://"]
        {
            assert_eq!(check(&url(good), &House::default()).unwrap().access.scope, Scope::Own, "{good}");
            assert_eq!(check(&url(good), &house).unwrap().access.scope, Scope::Internet, "{good}");
        }
        for bad in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://0x7f.0.0x0.1/",
            "http://127.0.0.1:8080/",
            "http://joe:pw@127.0.0.1/",
            "http://0/",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://172.31.255.255/",
            "http://192.168.0.1/",
            "http://192.168.257/",
            "http://100.64.0.1/",
            "http://169.254.169.254/",
            "http://169.254.169.254./",
            "http://2852039166/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://１２７.０.０.１/",
            "http://127。0。0。1/",
            "http://[::1]/",
            "http://[::]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://[::127.0.0.1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::ffff:0:10.0.0.1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[64:ff9b:1::1]/",
            "http://[2002:7f00:1::]/",
            "http://[2001:0:1:2:3:4:80ff:fffe]/",
            "http://[fe80::1]/",
            "http://[fc00::1]/",
            "http://[fd12:3456::1]/",
            "http://[ff02::1]/",
            "http://[fec0::1]/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://nas/",
            "http://tv.lan/",
            "http://router.local/",
            "http://metadata.google.internal/",
            "http://host.home.arpa/",
            "file:a.ts",
            "file:/etc/passwd",
        ] {
            let error = check(&url(bad), &house).expect_err(bad);
            let expected = format!("sources[0]: source: it is a file, or not on the internet: {NOT_ALLOWED}");
            assert_eq!(error, expected, "{bad}");
            assert!(check(&url(bad), &House::default()).is_ok(), "{bad} is fine in the configuration");
        }
    }

    #[test]
    fn a_house_of_others_takes_no_proxy_and_no_wider_scope() {
        let house = House { is_internet_only: true, ..House::default() };
        let fields = |key: &'static str, value: &'static str| {
            let map = [("url", "http://cdn.example/"), (key, value)];
            let fields = SourceFields::deserialize(MapDeserializer::<_, serde::de::value::Error>::new(
                map.into_iter(),
            ));
            fields.unwrap()
        };
        let through = |proxy| SourceSpec::Fields(Box::new(fields("proxy", proxy)));
        assert_eq!(check(&through("none"), &house).unwrap().access.scope, Scope::Internet);
        let error = check(&through("http://10.0.0.1:3128"), &house).unwrap_err();
        assert_eq!(error, format!("sources[0].proxy: proxy: {NOT_ALLOWED}"));
        for (allow_private, refused) in [(false, false), (true, true)] {
            let mut fields = fields("tls", "verify");
            fields.allow_private = Some(allow_private);
            let checked = check(&SourceSpec::Fields(Box::new(fields)), &house);
            assert_eq!(checked.is_err(), refused);
            assert!(checked.is_err() || checked.unwrap().access.scope == Scope::Internet);
        }
    }
}
