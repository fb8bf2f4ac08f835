//! Why an upstream failed.

use std::io;

use forebay_core::channel::ErrorCode;
use forebay_core::health::Rule;
use forebay_core::resolve::Class;
use url::Url;

use super::no_address::NoAddress;
use crate::providers::NoConnection;

/// What went wrong with one upstream. No message holds more of an address than its server: those
/// can hold passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It went wrong at a server that the source led to.
    #[error("{error} ({server})")]
    At {
        /// Which: no more of the address is for everybody.
        server: String,
        /// What.
        error: Box<Self>,
    },
    /// Its provider allows no more connections.
    #[error(transparent)]
    ProviderLimit(#[from] NoConnection),
    /// It is a page, and nobody says where its media is.
    #[error(transparent)]
    Page(#[from] NoAddress),
    /// It delivers, but not what it should.
    #[error("{what}")]
    Unhealthy {
        /// The rule that found it.
        rule: Rule,
        /// What was found.
        what: String,
    },
    /// Nothing listens there.
    #[error("the connection was refused")]
    Refused,
    /// The name does not resolve, the network is not reachable, TLS broke off.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// It leads to this machine or to a local network.
    #[error(
        "the source is on the internet and leads to an address that is not; \
         if that is meant, set allow_private = true for it"
    )]
    Private,
    /// What the server showed over TLS proves nothing.
    #[error(
        "the server cannot be trusted: {0}; if that does not matter, set tls = \"unverified\" for the source"
    )]
    Untrusted(String),
    /// What answers speaks no TLS that is spoken here, or none at all.
    #[error("TLS does not come about: {0}")]
    Tls(&'static str),
    /// The proxy cannot be used, or does not get through.
    #[error("the proxy does not get through: {0}")]
    Proxy(String),
    /// No transport stream came in time.
    #[error("no transport stream came within the connect timeout")]
    ConnectTimeout,
    /// An HTTP status that is no success.
    #[error("the source answered HTTP {status}")]
    Status {
        /// The status code.
        status: u16,
    },
    /// Redirected too often, or to somewhere that cannot be followed.
    #[error("the source redirects in vain: {0}")]
    Redirect(String),
    /// Redirected to an address at which the provider is known to show a notice (`slate_urls`).
    #[error("the source redirects to a known notice instead of the channel")]
    Slate,
    /// The request could not be made.
    #[error("the request cannot be made: {0}")]
    Request(String),
    /// The stream ended; a live stream has no end.
    #[error("the stream ended")]
    Ended,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The body is in a content coding that cannot be read.
    #[error("it is encoded with {0}, which was not asked for")]
    Encoding(&'static str),
    /// A file cannot be read.
    #[error("the file cannot be read: {0}")]
    File(String),
    /// The bytes are no transport stream; the text says what they are.
    #[error("no transport stream: {0}")]
    NotTransportStream(String),
    /// A transport stream without a picture to start with.
    #[error("no picture to start with")]
    NoPicture,
    /// What comes cannot be read.
    #[error("the stream is scrambled")]
    Scrambled,
    /// An HLS playlist that cannot be followed.
    #[error("the HLS playlist cannot be played: {0}")]
    Playlist(String),
    /// HLS segments under DRM, or with a key that is not to be had.
    #[error("the HLS segments cannot be decrypted: {0}")]
    Encrypted(String),
    /// An HLS playlist that was there, and is refused.
    #[error("the HLS playlist is gone: the source answers HTTP {status}, at the configured address too")]
    Gone {
        /// The status code.
        status: u16,
    },
    /// HLS segments that do not come.
    #[error("the HLS segments do not come: {0}")]
    Segments(String),
    /// An HLS list that had ended when it was opened again, and of which all was played.
    #[error("the stream has ended, and nothing has come since")]
    Over,
    /// HLS segments that cannot be turned into a transport stream.
    #[error("the HLS segments cannot be passed on: {0}")]
    Format(String),
    /// Its clock or its time stamps stood still.
    #[error("media time stood still")]
    Stalled,
    /// There is no processor time to encode it.
    #[error("there is no processor time for it: {0}")]
    NoCpu(String),
    /// The program that makes it does not run, or has ended.
    #[error("{0}")]
    Job(String),
}

impl Error {
    /// What went wrong, for programs.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::At { error, .. } => error.code(),
            Self::ProviderLimit(_) => ErrorCode::ProviderLimit,
            Self::Page(NoAddress { class: Class::NotLive, .. }) => ErrorCode::PageNotLive,
            Self::Page(_) => ErrorCode::Page,
            Self::Unhealthy { rule, .. } => ErrorCode::Unhealthy(*rule),
            Self::Refused => ErrorCode::Refused,
            Self::Unreachable(_) => ErrorCode::Unreachable,
            Self::Private => ErrorCode::PrivateAddress,
            Self::Untrusted(_) => ErrorCode::Untrusted,
            Self::Tls(_) => ErrorCode::Tls,
            Self::Proxy(_) => ErrorCode::Proxy,
            Self::ConnectTimeout => ErrorCode::ConnectTimeout,
            Self::Status { .. } => ErrorCode::HttpStatus,
            Self::Redirect(_) => ErrorCode::Redirect,
            Self::Slate => ErrorCode::SlateUrl,
            Self::Request(_) => ErrorCode::Request,
            Self::Ended | Self::Over => ErrorCode::Ended,
            Self::Broken(_) => ErrorCode::Broken,
            Self::Encoding(_) => ErrorCode::Encoding,
            Self::File(_) => ErrorCode::File,
            Self::NotTransportStream(_) => ErrorCode::NotTransportStream,
            Self::NoPicture => ErrorCode::NoPicture,
            Self::Scrambled => ErrorCode::Scrambled,
            Self::Playlist(_) => ErrorCode::HlsPlaylist,
            Self::Encrypted(_) => ErrorCode::HlsEncrypted,
            Self::Gone { .. } => ErrorCode::HlsGone,
            Self::Segments(_) => ErrorCode::HlsSegments,
            Self::Format(_) => ErrorCode::HlsFormat,
            Self::Stalled => ErrorCode::Stalled,
            Self::NoCpu(_) => ErrorCode::NoCpu,
            Self::Job(_) => ErrorCode::Job,
        }
    }

    /// Whether the source was given up after long patience, so that there is no sense in asking it
    /// once more.
    pub fn is_conclusive(&self) -> bool {
        match self {
            Self::At { error, .. } => error.is_conclusive(),
            Self::Over
            | Self::Page(_)
            | Self::Stalled
            | Self::Gone { .. }
            | Self::Segments(_)
            | Self::Encrypted(_)
            | Self::Format(_) => true,
            _ => false,
        }
    }

    /// Whether the server refused an address that may be good no more.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::At { error, .. } => error.is_refusal(),
            Self::Status { status } | Self::Gone { status } => matches!(status, 401 | 403 | 404 | 410),
            _ => false,
        }
    }

    /// The same, at an address that the source led to.
    pub(super) fn at(self, url: &Url) -> Self {
        Self::At { server: url.origin().ascii_serialization(), error: Box::new(self) }
    }

    pub(super) fn of_file(error: &io::Error) -> Self {
        Self::File(error.to_string())
    }
}
