//! Playlists: lists of channels that somebody else makes.
//!
//! `[[playlists]]`, the API and the command line have the same keys and the same check.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use forebay_core::lineup::m3u::ExtraUrls;
use forebay_core::lineup::xtream::{Account, Output};
use forebay_relay::model::{
    Checker, DurationText, FieldError, HeadersText, House, Limits, ProviderSpec, Source, SourceFields,
    SourceKind, SourceSpec, Spec, Step, UrlText, limits_ms,
};
use serde_json::{Map, Value, json};

/// How often a list is read again. Providers ban who asks more often than that.
const REFRESH: Limits<Duration> = limits_ms(60_000, 30 * DAY_MS);

/// Twice a day, as most players do.
const DEFAULT_REFRESH: Duration = Duration::from_hours(12);

/// How long a missing source is kept.
const KEEP_ABSENT: Limits<Duration> = limits_ms(0, 3650 * DAY_MS);

/// Longer than any provider's worst week, and than people's holidays.
const DEFAULT_KEEP_ABSENT: Duration = Duration::from_hours(30 * 24);

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

const PERCENT: RangeInclusive<i64> = 0..=100;

/// What may go missing at once: lists shrink by a few percent when providers tidy up.
const DEFAULT_MAX_LOSS: u64 = 30;

/// As many connections as any provider has.
const MAX_CONNECTIONS: i64 = 1000;

forebay_relay::table! {
    /// A playlist, with every field optional and as it was typed: one field for each key of
    /// `[[playlists]]`.
    pub struct PlaylistSpec {
        /// Its name in the configuration file.
        id: String,
        /// Its name for people.
        name: String,
        /// m3u or xtream.
        kind: String,
        /// Where it is; without it somebody uploads the list.
        url: UrlText,
        /// Of an Xtream account, if the address has none.
        username: String,
        /// Likewise.
        password: UrlText,
        /// What an Xtream account is asked for: ts or hls.
        output: String,
        /// How often it is read again.
        refresh: DurationText,
        /// The `User-Agent` to send, for the list and for streams.
        user_agent: String,
        /// Request headers to add, likewise.
        headers: HeadersText,
        /// The address of a proxy, or none; likewise.
        proxy: String,
        /// verify or unverified; likewise.
        tls: String,
        /// See [`Scope`](forebay_relay::model::Scope).
        allow_private: bool,
        /// How many connections the provider allows at a time.
        max_connections: i64,
        /// How long a missing channel is kept with its edits.
        keep_absent: DurationText,
        /// How many percent of the channels may go missing at once.
        max_loss: i64,
        /// Whether its channels may be one with those of other playlists.
        merge: bool,
        /// What channels are called by: title or tvg-name.
        name_from: String,
        /// Whether further addresses of an entry are further sources.
        alternates: bool,
        /// The character set, if it is neither UTF-8 nor told by the server.
        charset: String,
    }
}

impl Eq for PlaylistSpec {}

/// A playlist, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Playlist {
    /// Its name for people.
    pub name: String,
    /// Where its list is.
    pub origin: Origin,
    /// How often it is read again; never if absent.
    pub refresh: Option<Duration>,
    /// How its list is read.
    pub reading: Reading,
    /// How long a missing source is kept.
    pub keep_absent: Duration,
    /// The most that may go missing at once, in percent.
    pub max_loss_percent: u64,
    /// Whether its channels may be one with others.
    pub is_merged: bool,
    /// How many connections its provider allows; what the panel says if absent.
    pub max_connections: Option<u32>,
}

/// Where a list is.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// It is uploaded.
    Upload,
    /// In a file.
    File(PathBuf),
    /// At an address.
    Url(Box<Source>),
    /// At a panel, which is asked for the streams of an account.
    Xtream(Box<Panel>),
}

/// An account at a panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// The account.
    pub account: Account,
    /// What its streams are asked for as.
    pub output: Output,
    /// How the panel is reached.
    pub source: Source,
}

/// How a list is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// Channels are called by `tvg-name`.
    pub by_tvg_name: bool,
    /// What further addresses of an entry are.
    pub extra_urls: ExtraUrls,
    /// The character set that the operator names.
    pub charset: Option<String>,
}

impl PlaylistSpec {
    /// The playlist, or each field that is wrong.
    pub fn check(&self, house: &House) -> Result<Playlist, Vec<FieldError>> {
        let mut checker = Checker::default();
        let playlist = self.check_with(&mut checker, house);
        let errors = checker.into_errors();
        playlist.filter(|_| errors.is_empty()).ok_or(errors)
    }

    /// The playlist; none without a name and a good address. Where there are errors, nobody may use
    /// it.
    pub fn check_with(&self, checker: &mut Checker, house: &House) -> Option<Playlist> {
        let name = checker.words("name", self.name.as_ref()).or_else(|| self.id.clone());
        if name.is_none() && checker.count() == 0 {
            checker.fault("name", "this playlist has no name");
        }
        let origin = self.check_origin(checker, house);
        let by_tvg_name = checker.field("name_from", self.name_from.as_ref(), |text| match &**text {
            "title" => Ok(false),
            "tvg-name" => Ok(true),
            _ => Err(format!("\"{text}\" is unknown, expected title or tvg-name")),
        });
        let extra_urls =
            if self.alternates == Some(true) { ExtraUrls::Alternates } else { ExtraUrls::Ignore };
        let charset = checker.words("charset", self.charset.as_ref());
        let refresh = self.refresh.as_ref();
        let refresh = checker.duration_or_off("refresh", refresh, &REFRESH, Some(DEFAULT_REFRESH));
        let keep_absent = checker.duration("keep_absent", self.keep_absent.as_ref(), &KEEP_ABSENT);
        let max_loss = checker.number_within("max_loss", self.max_loss.as_ref(), PERCENT);
        let max_connections =
            checker.number("max_connections", self.max_connections.as_ref(), MAX_CONNECTIONS);
        Some(Playlist {
            name: name?,
            origin: origin?,
            refresh,
            reading: Reading { by_tvg_name: by_tvg_name.unwrap_or_default(), extra_urls, charset },
            keep_absent: keep_absent.unwrap_or(DEFAULT_KEEP_ABSENT),
            max_loss_percent: max_loss.unwrap_or(DEFAULT_MAX_LOSS),
            is_merged: self.merge.unwrap_or(true),
            max_connections,
        })
    }

    /// The same as a JSON object: what a database keeps.
    pub fn fields(&self) -> Map<String, Value> {
        let text = |text: &Option<UrlText>| text.as_ref().map(|UrlText(text)| text.clone());
        let span = |span: &Option<DurationText>| span.as_ref().map(|DurationText(text)| text.clone());
        let headers = self.headers.as_ref().map(|HeadersText(list)| {
            let field = |(name, value): &(String, String)| (name.clone(), Value::from(value.as_str()));
            list.iter().map(field).collect::<Map<_, _>>()
        });
        let fields = json!({
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "url": text(&self.url),
            "username": self.username,
            "password": text(&self.password),
            "output": self.output,
            "refresh": span(&self.refresh),
            "user_agent": self.user_agent,
            "headers": headers,
            "proxy": self.proxy,
            "tls": self.tls,
            "allow_private": self.allow_private,
            "max_connections": self.max_connections,
            "keep_absent": span(&self.keep_absent),
            "max_loss": self.max_loss,
            "merge": self.merge,
            "name_from": self.name_from,
            "alternates": self.alternates,
            "charset": self.charset,
        });
        let Value::Object(mut fields) = fields else { unreachable!("it is an object") };
        fields.retain(|_, value| !value.is_null());
        fields
    }

    /// Whether a list with these settings is where it was with those, and reached in the same way.
    pub fn leads_where(&self, other: &Self) -> bool {
        let way = |it: &Self| (it.kind.clone(), it.url.clone(), it.username.clone(), it.password.clone());
        let reach = |it: &Self| (it.proxy.clone(), it.allow_private);
        way(self) == way(other) && reach(self) == reach(other)
    }

    fn check_origin(&self, checker: &mut Checker, house: &House) -> Option<Origin> {
        let is_panel = checker.field("kind", self.kind.as_ref(), |text| match &**text {
            "m3u" => Ok(false),
            "xtream" => Ok(true),
            _ => Err(format!("\"{text}\" is unknown, expected m3u or xtream")),
        });
        if is_panel.unwrap_or_else(|| self.username.is_some()) {
            return Some(Origin::Xtream(Box::new(self.check_panel(checker, house)?)));
        }
        let Some(UrlText(url)) = &self.url else { return Some(Origin::Upload) };
        let source = self.check_source(checker, house, url)?;
        match source.url.kind() {
            SourceKind::Http => Some(Origin::Url(Box::new(source))),
            SourceKind::File => Some(Origin::File(source.url.file_path()?)),
            _ => {
                checker.fault("url", "url: expected http, https or file");
                None
            }
        }
    }

    fn check_panel(&self, checker: &mut Checker, house: &House) -> Option<Panel> {
        let output = checker.field("output", self.output.as_ref(), |text| match &**text {
            "ts" => Ok(Output::Ts),
            "hls" => Ok(Output::Hls),
            _ => Err(format!("\"{text}\" is unknown, expected ts or hls")),
        });
        let UrlText(url) = self.url.clone().unwrap_or_else(|| UrlText(String::new()));
        let password = self.password.as_ref().map(|UrlText(text)| text.as_str());
        let account = match (&self.username, password) {
            (Some(user), Some(password)) => Account::new(&url, user, password),
            _ => Account::read(&url),
        };
        let account = account.map_err(|error| checker.fault("url", format!("url: {error}"))).ok()?;
        let source = self.check_source(checker, house, account.base().as_str())?;
        Some(Panel { account, output: output.unwrap_or_default(), source })
    }

    /// What a source of a channel with these settings would be: lists are fetched as streams are.
    fn check_source(&self, checker: &mut Checker, house: &House, url: &str) -> Option<Source> {
        let source = SourceFields {
            url: Some(UrlText(url.to_owned())),
            headers: self.headers.clone(),
            user_agent: self.user_agent.clone(),
            allow_private: self.allow_private,
            tls: self.tls.clone(),
            proxy: self.proxy.clone(),
            ..SourceFields::default()
        };
        let spec = Spec {
            id: Some("playlist".to_owned()),
            sources: Some(vec![SourceSpec::Fields(Box::new(source))]),
            ..Spec::default()
        };
        match spec.check(house) {
            Ok(mut channel) => channel.sources.pop(),
            Err(errors) => {
                for FieldError { path, message } in errors {
                    // Behind `sources[0]` the paths are ours.
                    fault_at(checker, path.steps().get(2..).unwrap_or_default(), &message);
                }
                None
            }
        }
    }

    /// The provider whose connections its streams take: one that has a limit, or settings of its
    /// own. `of_account` is the limit that the panel tells.
    pub fn provider(&self, id: String, of_account: Option<u32>) -> Option<ProviderSpec> {
        let limit = self.max_connections.or_else(|| of_account.map(i64::from));
        let has_settings = self.proxy.is_some()
            || self.tls.is_some()
            || self.user_agent.is_some()
            || self.allow_private.is_some();
        (limit.is_some() || has_settings).then(|| ProviderSpec {
            id: Some(id),
            max_connections: Some(limit.unwrap_or(MAX_CONNECTIONS).clamp(1, MAX_CONNECTIONS)),
            user_agent: self.user_agent.clone(),
            proxy: self.proxy.clone(),
            tls: self.tls.clone(),
            allow_private: self.allow_private,
            ..ProviderSpec::default()
        })
    }
}

fn fault_at(checker: &mut Checker, steps: &[Step], message: &str) {
    match steps {
        [] => checker.fault_here(message),
        [last] => checker.fault(last.clone(), message),
        [first, rest @ ..] => checker.within(first.clone(), |checker| fault_at(checker, rest, message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize as _;

    fn check(value: Value, house: &House) -> Result<Playlist, String> {
        let errors = match PlaylistSpec::deserialize(value).unwrap().check(house) {
            Ok(playlist) => return Ok(playlist),
            Err(errors) => errors,
        };
        let texts: Vec<String> = errors.iter().map(|it| format!("{} | {}", it.path, it.message)).collect();
        Err(texts.join("; "))
    }

    #[test]
    fn what_it_says_is_what_it_is() {
        let house = House::default();
        let upload = check(json!({ "name": "Mine" }), &house).unwrap();
        assert_eq!((upload.origin, upload.refresh), (Origin::Upload, Some(Duration::from_hours(12))));
        let file = check(json!({ "id": "a", "url": "file:lists/a.m3u", "refresh": "off" }), &house).unwrap();
        assert_eq!((&*file.name, file.refresh), ("a", None));
        assert!(matches!(file.origin, Origin::File(path) if path.ends_with("lists/a.m3u")));
        let url =
            check(json!({ "name": "B", "url": "http://h/b.m3u", "user_agent": "VLC" }), &house).unwrap();
        let Origin::Url(source) = url.origin else { panic!("it has an address") };
        assert_eq!(source.user_agent.as_deref(), Some("VLC"));
        for account in [
            json!({ "name": "C", "kind": "xtream", "url": "http://h:8080/get.php?username=u&password=p" }),
            json!({ "name": "C", "url": "h:8080", "username": "u", "password": "p", "output": "hls" }),
        ] {
            let Origin::Xtream(panel) = check(account, &house).unwrap().origin else { panic!("a panel") };
            assert_eq!((panel.account.base().as_str(), panel.account.user()), ("http://h:8080/", "u"));
        }
    }

    #[test]
    #[allow(clippy::field_reassign_with_default, reason = "the house has private fields")]
    fn what_is_wrong_is_told_with_its_field() {
        let mut api = House::default();
        api.is_internet_only = true;
        for (value, expected) in [
            (json!({ "url": "http://h/" }), "name | this playlist has no name"),
            (json!({ "name": "A", "kind": "stalker" }), "kind | kind: \"stalker\" is unknown"),
            (json!({ "name": "A", "url": "ftp://h/" }), "url | source: "),
            (json!({ "name": "A", "url": "testcard://" }), "url | url: expected http, https or file"),
            (json!({ "name": "A", "url": "http://127.0.0.1/" }), "url | source: it is a file, or not on"),
            (json!({ "name": "A", "url": "file:/etc/passwd" }), "url | source: it is a file, or not on"),
            (
                json!({ "name": "A", "url": "http://e.example/", "headers": { "Range": "x" } }),
                "headers.Range | headers: Range is set by Forebay itself",
            ),
            (
                json!({ "name": "A", "kind": "xtream", "url": "http://e.example/" }),
                "url | url: the address has no user",
            ),
            (
                json!({ "name": "A", "kind": "xtream", "url": "10.0.0.1", "username": "u", "password": "p" }),
                "url | source: it is a file, or not on",
            ),
            (json!({ "name": "A", "refresh": "1s" }), "refresh | refresh: "),
            (json!({ "name": "A", "max_loss": 101 }), "max_loss | max_loss: 101 is out of range"),
        ] {
            let error = check(value, &api).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn every_field_is_kept() {
        let mut all = Map::new();
        for key in PlaylistSpec::KEYS {
            let value = match *key {
                "allow_private" | "merge" | "alternates" => json!(true),
                "max_connections" | "max_loss" => json!(5),
                "headers" => json!({ "X-Key": "k" }),
                _ => json!("text"),
            };
            all.insert((*key).to_owned(), value);
        }
        let spec = PlaylistSpec::deserialize(Value::Object(all.clone())).unwrap();
        assert_eq!(spec.fields(), all);
    }

    #[test]
    fn a_limit_makes_it_a_provider() {
        let spec = |value| PlaylistSpec::deserialize(value).unwrap();
        let provider = |value, of_account| {
            spec(value).provider("playlist-1".to_owned(), of_account).map(|it| it.max_connections)
        };
        assert_eq!(provider(json!({ "name": "A" }), None), None);
        assert_eq!(provider(json!({ "name": "A" }), Some(2)), Some(Some(2)));
        assert_eq!(provider(json!({ "name": "A", "max_connections": 3 }), Some(2)), Some(Some(3)));
        assert_eq!(provider(json!({ "name": "A", "proxy": "none" }), None), Some(Some(1000)));
    }

    #[test]
    fn it_prints_no_secret() {
        let value =
            json!({ "name": "A", "url": "http://h/get.php?username=u&password=hunter2", "kind": "xtream" });
        let spec = PlaylistSpec::deserialize(value).unwrap();
        let shown = format!("{spec:?} {:?}", spec.check(&House::default()));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
