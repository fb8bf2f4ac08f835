//! Xtream Codes: the accounts of most providers, and the shape of their addresses.

mod stream_url;

pub use stream_url::StreamUrl;
