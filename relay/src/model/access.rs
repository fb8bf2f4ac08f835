//! How the servers of a source are reached.

use std::str::FromStr;

use super::ProxyChoice;

/// What a source, or its provider for all of its sources, says about the way to its servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Access {
    /// Which addresses it may lead to.
    pub scope: Scope,
    /// Whether servers must show over TLS who they are.
    pub trust: Trust,
    /// The proxy on the way.
    pub proxy: ProxyChoice,
}

/// Which addresses a source may lead to. What counts is the address that is connected to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Addresses of the internet, from the first request on: somebody else has named the source.
    Internet,
    /// The source's own address may be anywhere. What a server on the internet sends leads to the
    /// internet only.
    #[default]
    Own,
    /// All addresses.
    Everywhere,
}

/// What is made of the certificate of a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// It must be valid, for its name, and signed by somebody who is known.
    #[default]
    Verify,
    /// Nothing: whoever answers will do.
    Unverified,
}

/// A text that is none of the words for [`Trust`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be \"verify\" or \"unverified\"")]
pub struct TrustError;

impl FromStr for Trust {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "verify" => Ok(Self::Verify),
            "unverified" => Ok(Self::Unverified),
            _ => Err(TrustError),
        }
    }
}
