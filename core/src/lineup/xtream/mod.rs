//! Xtream Codes: the accounts of most providers.
//!
//! An [`Account`] is read from whatever users paste. Its panel answers in JSON, whose types nobody
//! keeps to: [`AccountInfo`] says what the account may do, [`LiveStreams`] makes entries of the
//! streams, as they come.

mod address;
mod elements;
mod info;
mod lenient;
mod start;
mod stream_url;
mod streams;

pub use address::{Account, AddressError, MAX_ADDRESS_BYTES, Output};
pub use elements::{Elements, MAX_ELEMENT_BYTES, Shape, Summary};
pub use info::{AccountInfo, Clock, InfoError, Status};
pub use start::start;
pub use stream_url::StreamUrl;
pub use streams::{Categories, LiveStreams, MAX_CATEGORIES, StreamSummary};
