//! What Forebay's tests share, and nothing the product ships.
//!
//! - [`origin`]: a provider that misbehaves on request.
//! - [`clip`]: real media, made once by the real ffmpeg.
//! - [`hls`]: a judge that follows HLS playlists.
//! - [`wire`]: one that can be cut.
//! - [`ts`]: a strict transport stream checker, a demuxer and a small writer.
//! - [`platform`]: a video platform for the real yt-dlp.
//! - [`player`]: real players without a screen, as judges.
//! - [`proxy`]: HTTP and SOCKS5.
//! - [`rtmp`]: a server that is published to, and misbehaves on request.
//! - [`addresses`]: of the internet, and of anything else.
//! - [`authority`]: a real server for certificates.
//! - [`client`]: viewers at the level of bytes and their arrival times.
//! - [`identity`]: certificates and keys.
//! - [`identity_provider`]: who vouches for people, and lies on request.
//! - [`linear`]: whether work grows with its input, and no faster.
//! - [`oidc_provider`]: a real provider of identities.
//! - [`open_metrics`]: a strict reader of figures for Prometheus.
//!
//! Deliberately, nothing here uses `forebay-core` or `forebay`: a judge must not share code, and so errors, with
//! what it judges. Helpers panic with a full sentence rather than return errors, because a test has no better use
//! for them.

pub mod addresses;
pub mod authority;
pub mod client;
pub mod clip;
pub mod hls;
pub mod identity;
pub mod identity_provider;
pub mod linear;
pub mod oidc_provider;
pub mod open_metrics;
pub mod origin;
pub mod platform;
pub mod player;
pub mod prometheus;
pub mod proxy;
pub mod rtmp;
pub mod ts;
pub mod wire;
