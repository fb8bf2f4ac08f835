//! The pure part of Forebay.
//!
//! Here is everything that can be decided or computed without a runtime: the transport stream
//! engine ([`ts`]), the index of a channel's store ([`store_index`]), the turning of other formats
//! into it ([`remux`]), its cutting into segments ([`segmenter`]), the time-shift of a channel
//! ([`timeshift`]), the writing, reading and following of HLS playlists ([`playlist`]), films
//! ([`index`], [`package`], [`manifest`], [`subtitles`]), the pace of a source that has none of its
//! own ([`pacer`]), how another one brings its media in time ([`rhythm`]), an input from its bytes
//! to the picture ([`ingest`]), the judging of a source by its content ([`health`]) and of a
//! decoded picture ([`frame_sample`]), the decisions of a channel ([`lifecycle`], [`failover`]) and
//! their reasons ([`channel`]), the heads of HTTP answers as they really are ([`http_head`]) and
//! what they ask of us ([`http_challenge`]), which addresses are public ([`address`]), lists of
//! channels and what becomes of them ([`lineup`]), who may have a connection to a provider
//! ([`provider`]), how often its viewers are sent to ([`cadence`]), what is known of the pages of
//! video platforms ([`resolve`]), how fast a file of them comes ([`transfer`]), what services
//! elsewhere take ([`targets`]), which variants are encoded and when there is processor time for
//! them ([`transcode`]), and what is kept in memory ([`weighted_cache`]).
//!
//! What must never be here: a socket, a file, a task, a log line, and above all a clock. Time comes
//! in as a [`Moment`](time::Moment), bytes come in as slices, and what happened goes out as values.
//! So ten hours of television pass through a test in a second, and a test of a decision is a table.

pub mod address;
pub mod assumption;
pub mod cadence;
pub mod channel;
mod charset;
pub mod discovery;
pub mod failover;
pub mod flv;
pub mod frame_sample;
pub mod guide;
pub mod health;
pub mod histogram;
pub mod http_challenge;
pub mod http_head;
pub mod index;
pub mod ingest;
pub mod jobs;
pub mod lifecycle;
pub mod lineup;
pub mod manifest;
pub mod pacer;
pub mod package;
pub mod playlist;
pub mod provider;
pub mod push;
pub mod reel;
pub mod remux;
pub mod resolve;
pub mod rhythm;
pub mod rtmp;
pub mod rtp;
pub mod rungs;
pub mod segmenter;
pub mod store_index;
pub mod subtitles;
pub mod targets;
pub mod time;
pub mod timeshift;
pub mod transcode;
pub mod transfer;
pub mod ts;
pub mod tuners;
pub mod weighted_cache;
