//! Forebay, an on-demand IPTV relay: one upstream, every screen.
//!
//! The engine is `forebay-relay`; here is what surrounds it: the configuration, the command line,
//! and [`http`], which sends streams to whoever watches.

pub mod accounts;
pub mod app;
pub mod backups;
pub mod catalogue;
mod certificate;
pub mod cli;
pub mod config;
pub mod db;
pub mod exchange;
pub mod films;
pub mod guide;
mod host;
pub mod http;
pub mod jobs;
pub mod jws;
pub mod lineup;
pub mod oidc;
pub mod page_jobs;
mod programs;
pub mod reels;
pub mod relays;
pub mod resolver;
pub mod supervisor;
pub mod telemetry;
mod tls;
pub mod tuners;
pub mod variants;
pub mod webhooks;
