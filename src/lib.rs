//! Forebay, an on-demand IPTV relay: one upstream, every screen.
//!
//! The way of the bytes: [`upstream`] opens a source, the driver in [`channel`] brings what comes through the engine in `forebay-core`
//! into the channel's store, and [`http`] sends it to whoever watches.

pub mod app;
pub mod channel;
pub mod cli;
mod client;
pub mod config;
mod host;
pub mod http;
pub mod provider;
pub mod telemetry;
mod trust;
pub mod upstream;
mod watch;
