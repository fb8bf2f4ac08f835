//! How much of a source's address is told, and to whom.
//!
//! Providers put names and passwords into paths, in forms that nobody can list. So the public is
//! told no more than the scheme and the host; an operator who asks for more is told what the log
//! says.

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Public,
    Admin,
}

impl Reader {
    /// As much as this reader is told of `url`, which is without its credentials already.
    pub(super) fn sees(self, url: &str) -> &str {
        match self {
            Self::Public => public(url),
            Self::Admin => url,
        }
    }
}

/// The scheme and the host with its port: `http://cdn.example:8000`.
pub(super) fn public(url: &str) -> &str {
    let Some(host) = url.find("://").map(|at| at + "://".len()) else { return "" };
    // A backslash too: browsers take it for a slash, and what follows is a path.
    let end = url[host..].find(['/', '?', '#', '\\']).map_or(url.len(), |at| host + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_is_told_no_path() {
        for (url, told) in [
            ("http://cdn.example:8000/USER/PASS/live.m3u8?token=***", "http://cdn.example:8000"),
            ("https://cdn.example", "https://cdn.example"),
            ("https://cdn.example?token=***", "https://cdn.example"),
            ("http://[2001:db8::1]:80/a", "http://[2001:db8::1]:80"),
            ("file:///srv/clips/a.ts", "file://"),
            ("testcard://", "testcard://"),
            ("nothing", ""),
        ] {
            assert_eq!((Reader::Public.sees(url), Reader::Admin.sees(url)), (told, url));
        }
    }
}
