//! What somebody wants to be pushed, and where.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use forebay_core::rtmp::Destination;
use url::Url;

use crate::model::{ChannelId, ChannelIdError, Trust};

/// A channel that is sent to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Its name.
    pub id: PushId,
    /// What is sent.
    pub channel: ChannelId,
    /// Where it is sent.
    pub url: PushUrl,
    /// What is made of the server's certificate.
    pub trust: Trust,
    /// Whether it begins by itself.
    pub is_enabled: bool,
}

/// Names a push in paths, messages and metrics: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PushId(Arc<str>);

impl PushId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl FromStr for PushId {
    type Err = ChannelIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // They stand in paths as those of channels do.
        text.parse::<ChannelId>().map(|id| Self(id.shared()))
    }
}

impl fmt::Debug for PushId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for PushId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for PushId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The key of a stream: who knows it can publish. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A key, without the white space around it.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Where a stream is published, checked. Printed, it shows neither the key nor a query.
#[derive(Clone, PartialEq, Eq)]
pub struct PushUrl {
    host: String,
    port: u16,
    is_tls: bool,
    app: String,
    /// What follows the application in addresses: some services put credentials there.
    query: Option<String>,
    key: Key,
}

/// Why a text is not the address of a push. No variant repeats the text, for it may hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushUrlError {
    /// Another scheme, or none.
    #[error("not an address that begins with rtmp:// or rtmps://")]
    Scheme,
    /// There is no server in it.
    #[error("names no server")]
    NoHost,
    /// RTMP has no such thing.
    #[error("a user and a password in front of the server are not understood")]
    User,
    /// No application.
    #[error("names no application, as live2 in rtmp://a.example/live2")]
    NoApp,
    /// Neither a key nor anything in the address that may be one.
    #[error("has no key: write key = \"env:NAME\" or key = \"file:PATH\"")]
    NoKey,
}

impl PushUrl {
    /// Reads an address. Without a key of its own, the last part of the path is the key.
    pub fn parse(text: &str, key: Option<Key>) -> Result<Self, PushUrlError> {
        let url = Url::parse(text.trim()).map_err(|_| PushUrlError::Scheme)?;
        let (is_tls, default_port) = match url.scheme() {
            "rtmp" => (false, 1935),
            // RTMP over TLS has no port of its own; services use that of https.
            "rtmps" => (true, 443),
            _ => return Err(PushUrlError::Scheme),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(PushUrlError::NoHost)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(PushUrlError::User);
        }
        let path = url.path().trim_matches('/');
        let server = (is_tls, url.port().unwrap_or(default_port));
        if let Some(key) = key {
            return Self::whole(server, host, path, url.query(), key);
        }
        let (app, key) = path.rsplit_once('/').ok_or(PushUrlError::NoKey)?;
        // A query belongs to the key behind which it stands.
        let key = [Some(key), url.query()].into_iter().flatten().collect::<Vec<_>>().join("?");
        Self::whole(server, host, app, None, Key::new(&key).ok_or(PushUrlError::NoKey)?)
    }

    fn whole(
        (is_tls, port): (bool, u16),
        host: &str,
        app: &str,
        query: Option<&str>,
        key: Key,
    ) -> Result<Self, PushUrlError> {
        if app.is_empty() {
            return Err(PushUrlError::NoApp);
        }
        let (host, app, query) = (host.to_owned(), app.to_owned(), query.map(str::to_owned));
        Ok(Self { host, port, is_tls, app, query, key })
    }

    /// The name or address of the server; an IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is spoken to over TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// What the server is told.
    pub(super) fn destination(&self) -> Destination {
        let query = self.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
        let app = format!("{}{query}", self.app);
        Destination { tc_url: format!("{}{query}", self.address()), app, name: self.key.0.clone() }
    }

    /// The address of the application, without the port where that is the usual one.
    fn address(&self) -> String {
        let (scheme, usual) = if self.is_tls { ("rtmps", 443) } else { ("rtmp", 1935) };
        let port = if self.port == usual { String::new() } else { format!(":{}", self.port) };
        format!("{scheme}://{}{port}/{}", self.host, self.app)
    }
}

impl fmt::Display for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.address())
    }
}

impl fmt::Debug for PushUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_key_in_it_or_beside_it() {
        for (text, key, shown, tc_url, app, name) in [
            (
                "rtmp://a.example/live2",
                Some("k1"),
                "rtmp://a.example/live2/…",
                "rtmp://a.example/live2",
                "live2",
                "k1",
            ),
            (
                "rtmps://a.example:443/live2/",
                Some(" k1\n"),
                "rtmps://a.example/live2/…",
                "rtmps://a.example/live2",
                "live2",
                "k1",
            ),
            (
                "rtmp://10.0.0.1:1936/app/inst/k2?x=1",
                None,
                "rtmp://10.0.0.1:1936/app/inst/…",
                "rtmp://10.0.0.1:1936/app/inst",
                "app/inst",
                "k2?x=1",
            ),
            (
                "rtmp://[::1]/live?token=t",
                Some("k3"),
                "rtmp://[::1]/live/…",
                "rtmp://[::1]/live?token=t",
                "live?token=t",
                "k3",
            ),
        ] {
            let url = PushUrl::parse(text, key.and_then(Key::new)).unwrap();
            let Destination { app: its_app, tc_url: its_url, name: its_name } = url.destination();
            assert_eq!(
                (url.to_string(), &*its_url, &*its_app, &*its_name),
                (shown.to_owned(), tc_url, app, name)
            );
            let printed = format!("{url:?} {:?}", url.destination());
            assert!(!["k1", "k2", "k3", "token"].iter().any(|secret| printed.contains(secret)), "{printed}");
        }
        let url = PushUrl::parse("rtmp://[::1]/live", Key::new("k")).unwrap();
        assert_eq!((url.host(), url.port(), url.is_tls()), ("::1", 1935, false));
    }

    #[test]
    fn what_is_none_is_refused_with_the_reason() {
        for (text, key, expected) in [
            ("http://a.example/live", Some("k"), PushUrlError::Scheme),
            ("a.example/live", Some("k"), PushUrlError::Scheme),
            ("rtmp:///live", Some("k"), PushUrlError::NoHost),
            ("rtmp://u:p@a.example/live", Some("k"), PushUrlError::User),
            ("rtmp://a.example/", Some("k"), PushUrlError::NoApp),
            ("rtmp://a.example/live", None, PushUrlError::NoKey),
            ("rtmp://a.example//k", None, PushUrlError::NoKey),
        ] {
            assert_eq!(PushUrl::parse(text, key.and_then(Key::new)), Err(expected), "{text}");
        }
    }
}
