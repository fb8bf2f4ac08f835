//! What a channel may open beside what it has open, and what it tells a provider that it is for.

use crate::lifecycle;
use crate::provider::Purpose;

/// The server of a source, as far as two connections to it are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server<H> {
    /// Whether a provider counts the connections of the source.
    pub is_counted: bool,
    /// Host and port; `None` for a source that needs no server.
    pub host: Option<H>,
}

impl<H: PartialEq> Server<H> {
    /// Whether a source there can be opened beside one at `other` without a second connection to
    /// the same server. If no provider says how many connections a server allows, only one can be
    /// relied on.
    fn is_apart_from(&self, other: &Self) -> bool {
        self.is_counted && other.is_counted || self.host.is_none() || self.host != other.host
    }
}

/// Whether a source on this server may be opened for `purpose` beside those that are open. Viewers
/// who have nothing else come before the limits that a server may have.
pub fn may_open<H: PartialEq>(
    purpose: lifecycle::Purpose,
    server: &Server<H>,
    mut open: impl Iterator<Item = Server<H>>,
) -> bool {
    purpose == lifecycle::Purpose::Active || open.all(|other| server.is_apart_from(&other))
}

impl From<lifecycle::Purpose> for Purpose {
    fn from(purpose: lifecycle::Purpose) -> Self {
        match purpose {
            lifecycle::Purpose::Active => Self::Active,
            lifecycle::Purpose::Hedge => Self::Hedge,
            lifecycle::Purpose::Probe => Self::Probe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_needs_a_server_of_its_own_or_providers_that_count() {
        let server = |is_counted, host| Server { is_counted, host };
        let cases = [
            (server(false, Some(1)), server(false, Some(1)), false),
            (server(false, Some(1)), server(false, Some(2)), true),
            (server(true, Some(1)), server(true, Some(1)), true),
            (server(true, Some(1)), server(false, Some(1)), false),
            (server(false, Some(1)), server(true, Some(1)), false),
            (server(false, None), server(false, None), true),
        ];
        for (new, open, expected) in cases {
            let asked = |purpose| may_open(purpose, &new, [open].into_iter());
            assert_eq!(asked(lifecycle::Purpose::Hedge), expected, "{new:?} beside {open:?}");
            assert_eq!(asked(lifecycle::Purpose::Probe), expected, "{new:?} beside {open:?}");
            assert!(asked(lifecycle::Purpose::Active));
        }
    }
}
