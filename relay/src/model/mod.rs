//! What the relay works with: channels, their sources and policies, providers, addresses.
//!
//! A [`Spec`] is a channel as somebody wrote it, with every field optional. [`Spec::check`] makes a
//! [`Channel`] of it, or names each wrong field. A [`Channel`] is valid by construction.

mod access;
mod channel;
mod datagrams;
pub mod header;
mod id;
pub mod nearest;
mod provider;
mod proxy;
mod source_id;
mod source_url;
mod spec;
mod url_pattern;

pub use access::{Access, Scope, Trust, TrustError};
pub use channel::{Channel, Delivery, Hls, Policy, Source};
pub use datagrams::{Datagrams, DatagramsError};
pub use id::{ChannelId, ChannelIdError};
pub use provider::{Provider, ProviderId};
pub use proxy::{Proxy, ProxyChoice, ProxyError, ProxyKind};
pub use source_url::{SourceKind, SourceUrl, SourceUrlError};
#[doc(hidden)]
pub use spec::KnownKey;
pub use spec::{
    Checker, CountText, DurationText, FieldError, FieldPath, HeadersText, HealthSpec, HlsSpec, House, Limits,
    PolicySpec, ProviderSpec, SizeText, SourceFields, SourceSpec, Spec, Step, UrlText, limits_ms,
    parse_bandwidth, parse_http,
};
pub use url_pattern::{UrlPattern, UrlPatternError};
