//! Specifications: what a file, a request or an import says, before it is checked.
//!
//! Every field is optional and as it was typed. Specifications have no `Debug` of their fields:
//! raw addresses hold passwords.

mod access;
mod channel;
mod checker;
mod health;
mod hls;
mod house;
mod policy;
mod provider;
mod source;
mod table;
mod units;

pub use channel::Spec;
pub use checker::{Checker, FieldError, FieldPath, Step, parse_http};
pub use health::HealthSpec;
pub use hls::HlsSpec;
pub use house::House;
pub use policy::PolicySpec;
pub use provider::ProviderSpec;
pub use source::{HeadersText, SourceFields, SourceSpec, UrlText};
pub use table::KnownKey;
pub use units::{CountText, DurationText, Limits, SizeText, limits_ms, parse_bandwidth};
