//! Why a source failed, as a code for programs.

use std::fmt;

use crate::health::Rule;

/// Why a source failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// Its provider has no connection to spare.
    ProviderLimit,
    /// It is a page of a platform that is not live now.
    PageNotLive,
    /// It is a page of a platform that cannot be resolved.
    Page,
    /// A rule of health found fault with what the source sends.
    Unhealthy(Rule),
    /// Nothing listens at the address.
    Refused,
    /// The name does not resolve, or the network does not lead there.
    Unreachable,
    /// A source on the internet leads to a private address.
    PrivateAddress,
    /// The certificate of the server proves nothing.
    Untrusted,
    /// TLS could not be agreed on.
    Tls,
    /// The proxy cannot be used.
    Proxy,
    /// No transport stream came in time.
    ConnectTimeout,
    /// The server answered with a status that is not a success.
    HttpStatus,
    /// A redirect leads nowhere.
    Redirect,
    /// A redirect leads to an address of `slate_urls`.
    SlateUrl,
    /// The request could not be made.
    Request,
    /// The stream ended.
    Ended,
    /// The connection broke.
    Broken,
    /// The body has a content coding that was not asked for.
    Encoding,
    /// The file cannot be read.
    File,
    /// The bytes are not a transport stream.
    NotTransportStream,
    /// The transport stream has no picture to start with.
    NoPicture,
    /// The stream is scrambled.
    Scrambled,
    /// The HLS playlist cannot be followed.
    HlsPlaylist,
    /// The HLS segments cannot be decrypted.
    HlsEncrypted,
    /// The HLS playlist was there, and is refused now.
    HlsGone,
    /// The HLS segments do not come.
    HlsSegments,
    /// The HLS segments cannot be turned into a transport stream.
    HlsFormat,
    /// Media time stood still.
    Stalled,
    /// There is no processor time to encode it.
    NoCpu,
    /// The program that makes it does not run, or has ended.
    Job,
}

impl ErrorCode {
    /// Its word in the status document, in events and in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProviderLimit => "provider_limit",
            Self::PageNotLive => "page_not_live",
            Self::Page => "page",
            Self::Unhealthy(rule) => rule.name(),
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::PrivateAddress => "private_address",
            Self::Untrusted => "untrusted",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::ConnectTimeout => "connect_timeout",
            Self::HttpStatus => "http_status",
            Self::Redirect => "redirect",
            Self::SlateUrl => "slate_url",
            Self::Request => "request",
            Self::Ended => "ended",
            Self::Broken => "broken",
            Self::Encoding => "encoding",
            Self::File => "file",
            Self::NotTransportStream => "not_transport_stream",
            Self::NoPicture => "no_picture",
            Self::Scrambled => "scrambled",
            Self::HlsPlaylist => "hls_playlist",
            Self::HlsEncrypted => "hls_encrypted",
            Self::HlsGone => "hls_gone",
            Self::HlsSegments => "hls_segments",
            Self::HlsFormat => "hls_format",
            Self::Stalled => "stalled",
            Self::NoCpu => "no_cpu",
            Self::Job => "job",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
