//! What can be typed into the configuration file, key by key, with the place of each value.
//!
//! Nothing is judged here but the kind of a value. Types have no `Debug`: raw addresses hold passwords.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use toml::Spanned;

/// A text whose meaning is checked later.
pub(super) type Text = Option<Spanned<String>>;
/// A number whose range is checked later; the widest TOML has, so that each message is ours.
pub(super) type Number = Option<Spanned<i64>>;
/// A duration whose range is checked later.
pub(super) type Time = Option<Spanned<TypedDuration>>;
/// A number that can be switched off.
pub(super) type Count = Option<Spanned<TypedCount>>;
/// A list of patterns that are checked later.
pub(super) type Patterns = Option<Spanned<Vec<Spanned<String>>>>;

/// The whole file.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    /// How Forebay is reached.
    pub(super) server: Table<ServerFile>,
    /// What it tells about itself.
    pub(super) log: Table<LogFile>,
    /// Defaults for each channel.
    pub(super) stream: Table<StreamFile>,
    /// How channels become HLS.
    pub(super) hls: Table<HlsFile>,
    /// Accounts with a limit of connections.
    pub(super) providers: Vec<Spanned<Table<ProviderFile>>>,
    /// The channels, in the order of lists.
    pub(super) channels: Vec<Spanned<Table<ChannelFile>>>,
}

/// `[server]`
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServerFile {
    /// Address and port to listen on.
    pub(super) listen: Text,
    /// The address under which viewers reach it.
    pub(super) public_url: Text,
    /// Addresses and networks whose `Forwarded` headers are believed.
    pub(super) trusted_proxies: Vec<Spanned<String>>,
    /// The header in which they name who asks.
    pub(super) proxy_header: Text,
    /// Addresses and networks from which something may be changed.
    pub(super) admin_from: Option<Vec<Spanned<String>>>,
    /// Names under which admins reach it.
    pub(super) admin_hosts: Vec<Spanned<String>>,
    /// How long open responses may go on after the first signal to stop.
    pub(super) shutdown_grace: Time,
    /// Connections at a time.
    pub(super) max_connections: Number,
    /// Connections from one address.
    pub(super) max_connections_per_address: Count,
    /// Viewers from one address.
    pub(super) max_viewers_per_address: Count,
    /// Channels that one address may have opening.
    pub(super) max_opening_per_address: Count,
    /// What may be sent to viewers, in bits a second.
    pub(super) max_bandwidth: Text,
    /// auto, copy or sendfile.
    pub(super) delivery: Text,
    /// HTTPS besides plain HTTP.
    pub(super) tls: Option<Spanned<Table<TlsFile>>>,
}

/// `[server.tls]`
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsFile {
    /// Address and port to listen on.
    pub(super) listen: Text,
    /// A PEM file.
    pub(super) certificate: Text,
    /// A PEM file.
    pub(super) key: Text,
    /// An authority to get both from.
    pub(super) acme: Option<Spanned<Table<AcmeFile>>>,
}

/// `[server.tls.acme]`
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AcmeFile {
    /// The names in the certificate.
    pub(super) domains: Option<Spanned<Vec<Spanned<String>>>>,
    /// A `mailto:` address.
    pub(super) contact: Text,
    /// Where the authority is.
    pub(super) directory: Text,
    /// A PEM file of roots to trust.
    pub(super) root: Text,
    /// A folder to keep things in.
    pub(super) cache: Text,
    /// Whether the authority's terms of service were agreed to.
    pub(super) terms_agreed: Option<Spanned<bool>>,
}

/// `[log]`
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogFile {
    /// A level, or directives for parts.
    pub(super) level: Text,
    /// auto, text or json.
    pub(super) format: Text,
    /// A file to write to as well.
    pub(super) file: Text,
    /// How many such files are kept.
    pub(super) file_keep: Number,
    /// How large one may get.
    pub(super) file_max_bytes: Option<Spanned<TypedSize>>,
}

/// `[stream]`, and the same keys in a channel.
#[derive(Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StreamFile {
    /// See [`Policy::idle_timeout`](super::Policy::idle_timeout), and so on.
    pub(super) idle_timeout: Time,
    pub(super) connect_timeout: Time,
    pub(super) stall_timeout: Time,
    pub(super) start_timeout: Time,
    pub(super) buffer: Time,
    pub(super) buffer_bytes: Option<Spanned<TypedSize>>,
    pub(super) burst: Time,
    pub(super) read_ahead: Time,
    pub(super) viewer_timeout: Time,
    pub(super) max_viewers: Number,
    pub(super) timeshift: Time,
    pub(super) timeshift_bytes: Option<Spanned<TypedSize>>,
    pub(super) hedge: Time,
    pub(super) return_after: Time,
    pub(super) keep_alive: Option<bool>,
    pub(super) slate: Option<bool>,
    /// See [`Channel::slate_urls`](super::Channel::slate_urls).
    pub(super) slate_urls: Patterns,
    /// What sources are judged by.
    pub(super) health: Table<HealthFile>,
}

/// `[stream.health]`, and `health` of a channel: the threshold of each rule, or `"off"`.
#[derive(Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HealthFile {
    /// See [`Rules::slow`](forebay_core::health::Rules::slow), and so on.
    pub(super) slow: Time,
    pub(super) video_missing: Time,
    pub(super) audio_missing: Time,
    pub(super) scrambled: Time,
    pub(super) damaged: Count,
    pub(super) erratic_clock: Count,
    pub(super) repeating: Time,
    pub(super) frozen_picture: Time,
    /// See [`Policy::confirm_frozen`](super::Policy::confirm_frozen).
    pub(super) confirm_frozen: Option<bool>,
}

/// `[hls]`
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HlsFile {
    /// How long a segment is to be.
    pub(super) segment: Time,
    /// How many of them a playlist names.
    pub(super) window: Number,
    /// The most bytes that are kept for the players of one channel.
    pub(super) max_bytes: Option<Spanned<TypedSize>>,
    /// A folder to keep things in.
    pub(super) dir: Text,
}

/// `[[providers]]`
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProviderFile {
    /// Its name in sources.
    pub(super) id: Text,
    /// How many connections it allows at a time.
    pub(super) max_connections: Number,
    /// The `User-Agent` of its sources.
    pub(super) user_agent: Text,
    /// How long after the end of a connection it is still counted.
    pub(super) settle: Time,
    /// How many sources are probed at a time.
    pub(super) max_probes: Number,
    /// Of its sources, see [`Access::allow_private`](super::Access::allow_private).
    pub(super) allow_private: Option<bool>,
    /// verify or unverified.
    pub(super) tls: Text,
    /// The address of a proxy, or none.
    pub(super) proxy: Text,
}

/// `[[channels]]`. The keys of [`StreamFile`] are repeated: flattening would lose the places and let unknown keys pass.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ChannelFile {
    /// Its name in paths.
    pub(super) id: Text,
    /// Its name for people.
    pub(super) name: Text,
    /// Its number in lists.
    pub(super) number: Number,
    /// The group it is listed in.
    pub(super) group: Text,
    /// Address of its logo.
    pub(super) logo: Text,
    /// Its id in guides.
    pub(super) tvg_id: Text,
    /// The programme to take from a stream of several.
    pub(super) program: Number,
    /// Whose viewers come first where connections are short.
    pub(super) priority: Number,
    /// Where it comes from, the preferred source first.
    pub(super) sources: Option<Spanned<Vec<Spanned<SourceFile>>>>,
    idle_timeout: Time,
    connect_timeout: Time,
    stall_timeout: Time,
    start_timeout: Time,
    buffer: Time,
    buffer_bytes: Option<Spanned<TypedSize>>,
    burst: Time,
    read_ahead: Time,
    viewer_timeout: Time,
    max_viewers: Number,
    timeshift: Time,
    timeshift_bytes: Option<Spanned<TypedSize>>,
    hedge: Time,
    return_after: Time,
    keep_alive: Option<bool>,
    slate: Option<bool>,
    slate_urls: Patterns,
    health: Table<HealthFile>,
}

impl ChannelFile {
    /// What this channel sets differently from `[stream]`.
    pub(super) fn overrides(&self) -> StreamFile {
        StreamFile {
            idle_timeout: self.idle_timeout.clone(),
            connect_timeout: self.connect_timeout.clone(),
            stall_timeout: self.stall_timeout.clone(),
            start_timeout: self.start_timeout.clone(),
            buffer: self.buffer.clone(),
            buffer_bytes: self.buffer_bytes.clone(),
            burst: self.burst.clone(),
            read_ahead: self.read_ahead.clone(),
            viewer_timeout: self.viewer_timeout.clone(),
            max_viewers: self.max_viewers.clone(),
            timeshift: self.timeshift.clone(),
            timeshift_bytes: self.timeshift_bytes.clone(),
            hedge: self.hedge.clone(),
            return_after: self.return_after.clone(),
            keep_alive: self.keep_alive,
            slate: self.slate,
            slate_urls: self.slate_urls.clone(),
            health: self.health.clone(),
        }
    }
}

/// A source: its address alone, or a table.
pub(super) enum SourceFile {
    /// `"http://…"`
    Url(String),
    /// `{ url = "http://…", … }`
    Table(Box<SourceTable>),
}

/// `{ url = "http://…", provider = "…", headers = { … }, … }`
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceTable {
    /// Where it is.
    pub(super) url: Spanned<String>,
    /// Whose connection it is.
    #[serde(default)]
    pub(super) provider: Text,
    /// Request headers to add.
    #[serde(default)]
    pub(super) headers: BTreeMap<Spanned<String>, Spanned<String>>,
    /// The `User-Agent` to send.
    #[serde(default)]
    pub(super) user_agent: Text,
    /// Of a multivariant playlist: what the variant may need, in bits a second.
    #[serde(default)]
    pub(super) max_bitrate: Text,
    /// Which variant of it is the best.
    #[serde(default)]
    pub(super) variant: Text,
    /// See [`Access::allow_private`](super::Access::allow_private).
    #[serde(default)]
    pub(super) allow_private: Option<bool>,
    /// verify or unverified.
    #[serde(default)]
    pub(super) tls: Text,
    /// The address of a proxy, or none.
    #[serde(default)]
    pub(super) proxy: Text,
}

/// A section. Read by itself a structure would also take its values as a list, in the order of its fields.
#[derive(Clone, Default)]
pub(super) struct Table<T>(pub(super) T);

/// A size as it was typed.
#[derive(Clone)]
pub(super) enum TypedSize {
    /// `16777216`
    Bytes(i64),
    /// `"16 MiB"`
    Text(String),
}

/// A number as it was typed, or a text instead.
#[derive(Clone)]
pub(super) enum TypedCount {
    /// `20`
    Number(i64),
    /// `"off"`
    Text(String),
}

/// A duration as it was typed.
#[derive(Clone)]
pub(super) struct TypedDuration(pub(super) String);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Seen<T> {
            type Value = Table<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Table)
            }
        }
        deserializer.deserialize_map(Seen(PhantomData))
    }
}

// An untagged enum would say only that no variant fits; a visitor says what was expected, at the place itself.
impl<'de> Deserialize<'de> for SourceFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = SourceFile;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address or a table with the key url")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(SourceFile::Url(text.into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                SourceTable::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(SourceFile::Table)
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

impl<'de> Deserialize<'de> for TypedSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl Visitor<'_> for Seen {
            type Value = TypedSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"16 MiB\", or a number of bytes")
            }
            fn visit_i64<E: Error>(self, bytes: i64) -> Result<Self::Value, E> {
                Ok(TypedSize::Bytes(bytes))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TypedSize::Text(text.into()))
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

impl<'de> Deserialize<'de> for TypedCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl Visitor<'_> for Seen {
            type Value = TypedCount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or \"off\"")
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(TypedCount::Number(number))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TypedCount::Text(text.into()))
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

impl<'de> Deserialize<'de> for TypedDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl Visitor<'_> for Seen {
            type Value = TypedDuration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"30s\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TypedDuration(text.into()))
            }
        }
        deserializer.deserialize_any(Seen)
    }
}
