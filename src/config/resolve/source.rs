//! The sources of a channel.

use std::ops::Range;

use forebay_core::playlist::ladder::Prefer;
use http::header::{HeaderName, HeaderValue};
use toml::Spanned;

use super::super::error::reason;
use super::super::file::{SourceFile, SourceTable, Text};
use super::super::header::{parse_name, parse_user_agent, parse_value};
use super::super::nearest::did_you_mean;
use super::super::units::parse_bandwidth;
use super::super::{Access, ProxyChoice, Source, SourceKind, SourceUrl, Trust};
use super::Resolver;

/// Longer than any real list of ways to get one channel; failover would hardly come round.
const MAX_SOURCES: usize = 32;

/// More than any provider asks for; servers refuse heads beyond some kilobytes.
const MAX_HEADERS: usize = 32;

impl Resolver<'_> {
    /// The sources of the channel which begins at `header`; at least one, or a fault.
    pub(super) fn sources(
        &mut self,
        typed: Option<Spanned<Vec<Spanned<SourceFile>>>>,
        header: &Range<usize>,
        id: Option<&str>,
    ) -> Vec<Source> {
        let place = typed.as_ref().map_or_else(|| header.clone(), Spanned::span);
        let typed = typed.map(Spanned::into_inner).unwrap_or_default();
        if typed.is_empty() {
            let channel = id.map_or_else(|| "this channel".into(), |id| format!("channel \"{id}\""));
            self.fault(&place, format!("{channel} has no sources"));
        }
        if typed.len() > MAX_SOURCES {
            self.fault(&place, format!("sources: more than {MAX_SOURCES}"));
        }
        typed.into_iter().filter_map(|typed| self.source(typed)).collect()
    }

    fn source(&mut self, typed: Spanned<SourceFile>) -> Option<Source> {
        let span = typed.span();
        match typed.into_inner() {
            SourceFile::Url(url) => self.source_url(&Spanned::new(span, url)).map(Source::new),
            SourceFile::Table(typed) => {
                let SourceTable {
                    url,
                    provider,
                    headers,
                    user_agent,
                    max_bitrate,
                    variant,
                    allow_private,
                    tls,
                    proxy,
                } = *typed;
                let user_agent =
                    self.checked("user_agent", user_agent.as_ref(), |text| parse_user_agent(text));
                let max_bitrate =
                    self.checked("max_bitrate", max_bitrate.as_ref(), |text| parse_bandwidth(text));
                let variant = self.checked("variant", variant.as_ref(), |text| parse_variant(text));
                if headers.len() > MAX_HEADERS {
                    self.fault(&span, format!("headers: more than {MAX_HEADERS}"));
                }
                // The map sorts by name; the file's order is the one that was meant.
                let mut headers: Vec<_> = headers.into_iter().collect();
                headers.sort_by_key(|(name, _)| name.span().start);
                let mut checked = Vec::with_capacity(headers.len());
                for (name, value) in headers {
                    if let Some((name, value)) = self.header(&name, &value, &checked) {
                        checked.push((name, value));
                    }
                }
                let provider = self.provider_of(provider.as_ref());
                let url = self.source_url(&url)?;
                // What is not http sends none.
                let shared = provider.as_ref().filter(|_| url.kind() == SourceKind::Http);
                let shared = shared.and_then(|id| self.shared.get(id).cloned()).unwrap_or_default();
                let access = self.access(allow_private, &tls, &proxy, shared.access);
                Some(Source {
                    provider,
                    user_agent: user_agent.or(shared.user_agent),
                    max_bitrate,
                    variant: variant.unwrap_or_default(),
                    headers: checked,
                    access,
                    ..Source::new(url)
                })
            }
        }
    }

    /// What was typed about the way to servers; what was not is as in `defaults`.
    pub(super) fn access(
        &mut self,
        allow_private: Option<bool>,
        tls: &Text,
        proxy: &Text,
        defaults: Access,
    ) -> Access {
        let trust = self.checked("tls", tls.as_ref(), |text| text.parse::<Trust>());
        let proxy = self.checked("proxy", proxy.as_ref(), |text| text.parse::<ProxyChoice>());
        Access {
            allow_private: allow_private.unwrap_or(defaults.allow_private),
            trust: trust.unwrap_or(defaults.trust),
            proxy: proxy.unwrap_or(defaults.proxy),
        }
    }

    fn source_url(&mut self, typed: &Spanned<String>) -> Option<SourceUrl> {
        let folder = self.folder;
        let url = self.checked("source", Some(typed), |text| SourceUrl::parse(text, folder))?;
        self.checked("source", Some(typed), |_| {
            let path = url.file_path().unwrap_or_default();
            url.check().map_err(|err| format!("cannot read {}: {}", path.display(), reason(&err)))
        })?;
        Some(url)
    }

    fn header(
        &mut self,
        name: &Spanned<String>,
        value: &Spanned<String>,
        before: &[(HeaderName, HeaderValue)],
    ) -> Option<(HeaderName, HeaderValue)> {
        let name = self.checked("headers", Some(name), |text| {
            let name = parse_name(text)?;
            if before.iter().any(|(other, _)| *other == name) {
                return Err(format!("{text} stands here a second time"));
            }
            Ok(name)
        })?;
        let value = self.checked(name.as_str(), Some(value), |text| parse_value(text))?;
        Some((name, value))
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
