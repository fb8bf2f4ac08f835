//! From what was typed to what it means: every check, each with its place.

mod channel;
mod health;
mod hls;
mod provider;
mod server;
mod source;
mod tls;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use url::Url;

use self::provider::Shared;
use super::error::{Error, Faults};
use super::file::{File, Number, Text, Time};
use super::units::Limits;
use super::{Config, Policy, ProviderId};

/// Checks a whole file.
pub(super) fn resolve(file: File, text: &str, path: &Path) -> Result<Config, Error> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let (shared, lines, faults) = (HashMap::new(), OnceCell::new(), Faults::default());
    let mut resolver = Resolver { text, folder, shared, lines, faults };
    let server = resolver.server(file.server.0);
    let log = resolver.log(file.log.0);
    let (hls, hls_dir) = resolver.hls(file.hls.0);
    let defaults = resolver.policy(&file.stream.0, &Policy { hls, ..Policy::default() });
    let providers = resolver.providers(file.providers);
    let slate_urls = resolver.slate_urls(file.stream.0.slate_urls).unwrap_or_default();
    let channels = resolver.channels(file.channels, &defaults, &slate_urls);
    resolver.faults.into_result(text, path)?;
    Ok(Config { path: path.into(), server, log, hls_dir, providers, channels })
}

/// What checks need and where they leave faults. After a fault they go on with a default, which nobody will see.
struct Resolver<'a> {
    text: &'a str,
    folder: &'a Path,
    /// The providers that there are, each with what its sources have in common.
    shared: HashMap<ProviderId, Shared>,
    /// Where the lines of the text end, once that was asked.
    lines: OnceCell<Vec<usize>>,
    faults: Faults,
}

/// Names of people's things stand in menus and in one line of a list: more than this is a slip.
const MAX_TEXT_CHARS: usize = 256;

impl Resolver<'_> {
    fn fault(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.faults.push(span.start, message.into());
    }

    /// The value, or a fault at its place and nothing. The message begins with the key.
    fn checked<T, V, E: fmt::Display>(
        &mut self,
        key: &str,
        typed: Option<&Spanned<T>>,
        check: impl FnOnce(&T) -> Result<V, E>,
    ) -> Option<V> {
        let typed = typed?;
        check(typed.get_ref()).map_err(|err| self.fault(&typed.span(), format!("{key}: {err}"))).ok()
    }

    fn duration(&mut self, key: &str, typed: &Time, limits: &Limits<Duration>) -> Option<Duration> {
        self.checked(key, typed.as_ref(), |typed| typed.within(limits))
    }

    /// A duration, or none where `"off"` stands for it; the default if there is neither.
    fn duration_or_off(
        &mut self,
        key: &str,
        typed: &Time,
        limits: &Limits<Duration>,
        default: Option<Duration>,
    ) -> Option<Duration> {
        self.checked(key, typed.as_ref(), |typed| typed.within_or_off(limits)).unwrap_or(default)
    }

    /// A number from 1 to the most its type holds, unless `max` says less.
    fn number<T: TryFrom<i64>>(&mut self, key: &str, typed: &Number, max: i64) -> Option<T> {
        self.number_within(key, typed, 1..=max)
    }

    /// A number that its type holds and `range` allows.
    fn number_within<T: TryFrom<i64>>(
        &mut self,
        key: &str,
        typed: &Number,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        self.checked(key, typed.as_ref(), |&number| {
            T::try_from(number).ok().filter(|_| range.contains(&number)).ok_or_else(|| {
                format!("{number} is out of range, expected {} to {}", range.start(), range.end())
            })
        })
    }

    /// Remembers where `value` stands, or says where it was used first.
    fn unique<T: Hash + Eq>(
        &mut self,
        taken: &mut HashMap<T, Range<usize>>,
        value: T,
        span: Range<usize>,
        shown: impl FnOnce(&T) -> String,
    ) {
        if let Some(first) = taken.get(&value) {
            let line = self.line(first.start);
            self.fault(&span, format!("{} is taken: line {line} uses it first", shown(&value)));
        } else {
            taken.insert(value, span);
        }
    }

    /// The line in which byte `at` stands, from 1.
    fn line(&self, at: usize) -> usize {
        let ends = || self.text.match_indices('\n').map(|(at, _)| at).collect();
        self.lines.get_or_init(ends).partition_point(|&end| end < at) + 1
    }

    /// A text for people: one line, neither empty nor endless, so that it fits into every list we write.
    fn words(&mut self, key: &str, typed: &Text) -> Option<String> {
        self.checked(key, typed.as_ref(), |text| {
            if text.trim().is_empty() {
                return Err("must not be empty; leave the key out instead".into());
            }
            if text.chars().any(char::is_control) {
                return Err("must be one line without control characters".into());
            }
            if text.chars().count() > MAX_TEXT_CHARS {
                return Err(format!("is longer than {MAX_TEXT_CHARS} characters"));
            }
            Ok(text.trim().to_owned())
        })
    }
}

/// An absolute http or https address, of which nothing is repeated.
fn parse_http(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => {
            Err("not an address that begins with http:// or https://".into())
        }
        Err(error) => Err(format!("not a valid address: {error}")),
    }
}
