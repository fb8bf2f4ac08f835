//! Where a source is. The address is a secret: providers put names and passwords into it.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use forebay_core::address::{is_public, is_public_name};
use forebay_core::resolve::{NotAPage, Page, Target};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Host, Url};

use super::nearest::did_you_mean;
use super::{ChannelId, Datagrams, DatagramsError};

/// The address of a source, checked. Printed, it shows no user, no password, no query value and
/// no folder, and no name of a file that looks like a token; [`expose`](Self::expose) gives the
/// whole of it to whoever connects.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SourceUrl {
    url: Url,
    kind: SourceKind,
}

/// The ways Forebay knows to open a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceKind {
    /// `http://` or `https://`.
    Http,
    /// A file on this machine, played in a loop.
    File,
    /// `testcard://`: the built-in clip.
    TestCard,
    /// `page:https://…`: a page of a video platform, whose media is wherever that says.
    Page,
    /// Another channel, through a profile. No configuration can name it.
    Variant,
    /// `udp://` or `rtp://`: datagrams to this machine or to a group.
    Datagrams,
    /// What a program writes. Only the configuration can name one.
    Program,
}

impl SourceKind {
    /// Whether it is asked for by HTTP, so that headers and connections matter.
    pub fn is_requested(self) -> bool {
        matches!(self, Self::Http | Self::Page)
    }
}

/// Why a text is not the address of a source. No variant repeats the text, for it may hold a
/// password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceUrlError {
    /// Nothing that names a scheme.
    #[error("not an address; it begins with http://, https://, page:, file:, udp://, rtp:// or testcard://")]
    NoScheme,
    /// A scheme Forebay does not speak.
    #[error(
        "unknown scheme \"{scheme}\", expected http, https, page, file, udp, rtp or testcard{}",
        did_you_mean(scheme, SCHEMES)
    )]
    UnknownScheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// What follows `udp:` or `rtp:` is no place to receive at.
    #[error("not a valid address: {0}")]
    Datagrams(#[from] DatagramsError),
    /// The rest after a known scheme makes no address.
    #[error("not a valid address: {0}")]
    Invalid(#[from] url::ParseError),
    /// Player options in the style of Kodi stand behind the address.
    #[error("options after \"|\" are not understood; use user_agent = \"…\" and headers = {{ … }}")]
    PlayerOptions,
    /// `file:` without a path.
    #[error(
        "names no file; write file:clips/a.ts (from the folder of the configuration) or file:///srv/a.ts"
    )]
    NoPath,
    /// What follows `page:` names no page.
    #[error(transparent)]
    NotAPage(#[from] NotAPage),
    /// What follows `page:` is an address that only leads to one.
    #[error("a short address names no page by itself: write the one that it leads to")]
    ShortPage,
    /// Something follows `testcard://`.
    #[error("nothing may follow testcard://")]
    TestCardRest,
}

/// The schemes, as a user may misspell them.
const SCHEMES: &[&str] = &["http", "https", "page", "file", "testcard"];

impl SourceUrl {
    /// Reads an address; the path of a `file:` address may be relative to the folder `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self, SourceUrlError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').ok_or(SourceUrlError::NoScheme)?;
        match &*scheme.to_ascii_lowercase() {
            "http" | "https" => {
                // An equals sign behind it makes them options; a bare `|` may belong to an address.
                if rest.split_once('|').is_some_and(|(_, options)| options.contains('=')) {
                    return Err(SourceUrlError::PlayerOptions);
                }
                if !rest.starts_with("//") {
                    return Err(SourceUrlError::NoScheme);
                }
                Ok(Self { url: Url::parse(text)?, kind: SourceKind::Http })
            }
            "page" => match Target::read(rest)? {
                Target::Page(page) => Ok(Self { url: Url::parse(&page.address())?, kind: SourceKind::Page }),
                Target::Short(_) => Err(SourceUrlError::ShortPage),
            },
            "udp" | "rtp" => {
                let place = Datagrams::parse(rest)?;
                let url = Url::parse(&format!("{}:{place}", scheme.to_ascii_lowercase()))?;
                Ok(Self { url, kind: SourceKind::Datagrams })
            }
            "file" => Ok(Self { url: file_url(rest, base)?, kind: SourceKind::File }),
            // `testcard:` and `testcard://` are the same: neither has anything to name.
            "testcard" => match rest.trim_matches('/') {
                "" => Ok(Self { url: Url::parse("testcard://")?, kind: SourceKind::TestCard }),
                _ => Err(SourceUrlError::TestCardRest),
            },
            // In `user:password@host` the first word is no scheme, and must not be shown.
            _ if !rest.starts_with("//") => Err(SourceUrlError::NoScheme),
            _ => Err(SourceUrlError::UnknownScheme { scheme: scheme.into() }),
        }
    }

    /// The source of a variant. `settings` are those of its profile: with others, it is another
    /// source.
    pub fn variant(id: &ChannelId, settings: &str) -> Self {
        let mut url = Url::parse("variant:").expect("a scheme and nothing else is an address");
        url.set_path(id.as_str());
        url.set_query(Some(settings));
        Self { url, kind: SourceKind::Variant }
    }

    /// A program, by its name or path, and its arguments.
    pub fn program(words: &[String]) -> Self {
        let mut url = Url::parse("exec:").expect("a scheme and nothing else is an address");
        if let Some(program) = words.first() {
            url.set_path(&utf8_percent_encode(program, NON_ALPHANUMERIC).to_string());
        }
        for word in words.iter().skip(1) {
            url.query_pairs_mut().append_key_only(word);
        }
        Self { url, kind: SourceKind::Program }
    }

    /// The program and its arguments, if it is one.
    pub fn as_program(&self) -> Option<Vec<String>> {
        if self.kind != SourceKind::Program {
            return None;
        }
        let program = percent_decode_str(self.url.path()).decode_utf8_lossy().into_owned();
        let arguments = self.url.query_pairs().map(|(word, _)| word.into_owned());
        Some([program].into_iter().chain(arguments).collect())
    }

    /// Where datagrams are received, if it is such a source.
    pub fn datagrams(&self) -> Option<Datagrams> {
        let (_, place) = self.url.as_str().split_once(':')?;
        (self.kind == SourceKind::Datagrams).then(|| Datagrams::parse(place).expect("it was read already"))
    }

    /// The id of the variant that it is the source of, if it is one.
    pub fn as_variant(&self) -> Option<&str> {
        (self.kind == SourceKind::Variant).then(|| self.url.path())
    }

    /// An address that a source has led to, which is as secret as its own.
    pub fn led_to(url: Url) -> Self {
        Self { url, kind: SourceKind::Http }
    }

    /// The whole address, secrets included. Not for logs, answers or errors.
    pub fn expose(&self) -> &Url {
        &self.url
    }

    /// How it is opened.
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// Whether it leads to the internet, as far as the address tells: neither to a file of this
    /// machine nor into a private network. Names are looked up, and judged, at each connection.
    pub fn is_on_internet(&self) -> bool {
        match (self.kind, self.url.host()) {
            // Where its media is counts when that is known.
            (SourceKind::TestCard | SourceKind::Page | SourceKind::Variant, _) => true,
            (SourceKind::Http, Some(Host::Domain(name))) => is_public_name(name),
            (SourceKind::Http, Some(Host::Ipv4(address))) => is_public(address.into()),
            (SourceKind::Http, Some(Host::Ipv6(address))) => is_public(address.into()),
            (SourceKind::Http, None)
            | (SourceKind::File | SourceKind::Datagrams | SourceKind::Program, _) => false,
        }
    }

    /// The absolute path, for a file.
    pub fn file_path(&self) -> Option<PathBuf> {
        match self.kind {
            SourceKind::File => self.url.to_file_path().ok(),
            SourceKind::Http
            | SourceKind::TestCard
            | SourceKind::Page
            | SourceKind::Variant
            | SourceKind::Datagrams
            | SourceKind::Program => None,
        }
    }

    /// The page, if it is one.
    pub fn page(&self) -> Option<Page> {
        let target = (self.kind == SourceKind::Page).then(|| Target::read(self.url.as_str()))?;
        match target.expect("the address of a page names it") {
            Target::Page(page) => Some(page),
            Target::Short(_) => None,
        }
    }

    /// Tells whether a file can be read now. What lies behind a network shows only when it is
    /// opened: `Ok`.
    pub fn check(&self) -> io::Result<()> {
        let Some(path) = self.file_path() else { return Ok(()) };
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        // Opening a named pipe would wait for its writer.
        if metadata.is_file() { std::fs::File::open(path).map(drop) } else { Ok(()) }
    }
}

/// All after `file:` is a path, so `?` and `#` belong to the name; `%20` stands for a blank as in
/// any address.
fn file_url(rest: &str, base: &Path) -> Result<Url, SourceUrlError> {
    let path = match rest.strip_prefix("//") {
        // file://localhost/srv/a.ts is the long form of file:///srv/a.ts.
        Some(rest) => {
            rest.strip_prefix("localhost/").map_or(Cow::Borrowed(rest), |rest| format!("/{rest}").into())
        }
        None => rest.into(),
    };
    // Decoded before it is joined, so that `%2F` and `..` mean what they mean on disk.
    let path = percent_decode_str(&path).decode_utf8_lossy();
    let path = Path::new(&*path);
    if path.file_name().is_none() {
        return Err(SourceUrlError::NoPath);
    }
    let path = std::path::absolute(base.join(path)).map_err(|_| SourceUrlError::NoPath)?;
    Url::from_file_path(path).map_err(|()| SourceUrlError::NoPath)
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            SourceKind::Http => {}
            SourceKind::File | SourceKind::TestCard | SourceKind::Datagrams => {
                return f.write_str(self.url.as_str());
            }
            // Its arguments may hold secrets.
            SourceKind::Program => {
                return write!(f, "exec:{}", percent_decode_str(self.url.path()).decode_utf8_lossy());
            }
            // It holds no secret: it was written anew, of the id alone.
            SourceKind::Page => return write!(f, "page:{}", self.url),
            SourceKind::Variant => return write!(f, "variant:{}", self.url.path()),
        }
        // Put together from its parts: whatever is not written here cannot be shown by mistake.
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        write_path(f, self.url.path())?;
        if let Some(query) = self.url.query() {
            for (at, pair) in query.split('&').enumerate() {
                f.write_str(if at == 0 { "?" } else { "&" })?;
                // A lone word may itself be the token.
                match pair.split_once('=') {
                    Some((key, _)) => write!(f, "{key}={HIDDEN}")?,
                    None => f.write_str(HIDDEN)?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceUrl({self})")
    }
}

/// Stands for what is not shown.
const HIDDEN: &str = "***";

/// Endings of the names of files.
const ENDINGS: &[&str] =
    &["aac", "flv", "m2ts", "m3u", "m3u8", "mkv", "mp3", "mp4", "mpd", "php", "ts", "xml"];

/// Providers put names, passwords and tokens into folders, in forms that nobody can list. So no
/// folder is shown. The name of the file is, since it tells one source from another; but not a
/// token, and below folders only the name of a real file or the number of a panel's stream.
fn write_path(f: &mut fmt::Formatter<'_>, path: &str) -> fmt::Result {
    let path = path.trim_end_matches('/');
    let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
    let depth = folders.split('/').filter(|folder| !folder.is_empty()).count();
    f.write_str("/")?;
    if depth > 0 {
        write!(f, "{HIDDEN}/")?;
    }
    // Signatures in the path: /hdntl=exp=…~hmac=… and /list.m3u8;session=…
    let (file, signature) = match file.find(['=', ';']) {
        Some(end) => (&file[..end], &file[end..=end]),
        None => (file, ""),
    };
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_file = ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known));
    let is_number = !file.is_empty() && file.bytes().all(|byte| byte.is_ascii_digit());
    if file.is_empty() || !is_token(file) && (is_file || depth == 0 || is_number && depth > 1) {
        f.write_str(file)?;
    } else if is_file {
        write!(f, "{HIDDEN}.{ending}")?;
    } else {
        f.write_str(HIDDEN)?;
    }
    if signature.is_empty() { Ok(()) } else { write!(f, "{signature}{HIDDEN}") }
}

/// A long mix of letters and digits: signed tokens, session ids, UUIDs. It errs on the side of
/// hiding: the host and the number of the source still tell the operator which one is meant.
fn is_token(name: &str) -> bool {
    let is_mixed = |text: &str, len: usize, digits: usize| {
        text.len() >= len
            && text.bytes().any(|byte| byte.is_ascii_alphabetic())
            && text.bytes().filter(u8::is_ascii_digit).count() >= digits
    };
    is_mixed(name, 24, 6) || name.split(['.', '-', '_', '~']).any(|piece| is_mixed(piece, 16, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SourceUrl, SourceUrlError> {
        SourceUrl::parse(text, Path::new("/etc/forebay"))
    }

    #[test]
    fn secrets_are_not_printed() {
        for (url, shown) in [
            ("http://h/a.ts", "http://h/a.ts"),
            ("https://h:8443/sport/index.m3u8", "https://h:8443/***/index.m3u8"),
            ("http://joe:pw@h/a.ts#part", "http://h/a.ts"),
            ("http://h/get?username=joe&password=pw&word", "http://h/get?username=***&password=***&***"),
            ("http://h/live/joe/pw/17.ts", "http://h/***/17.ts"),
            ("http://h/tv/LIVE/joe/pw/sport.TS", "http://h/***/sport.TS"),
            ("http://h/timeshift/joe/pw/60/2026-01-31:18-30/17.ts", "http://h/***/17.ts"),
            ("http://h/joe/pw/17", "http://h/***/17"),
            ("http://h/joe/pw/17/", "http://h/***/17"),
            ("http://h/joe/1234", "http://h/***/***"),
            ("http://h/joe/pw/live.m3u8", "http://h/***/live.m3u8"),
            ("http://h//joe//index.m3u8", "http://h/***/index.m3u8"),
            ("http://h/joe.pw/x.y", "http://h/***/***"),
            ("http://h/17.ts", "http://h/17.ts"),
            ("http://h/a1b2c3d4e5f6a7b8c9/x.mpd", "http://h/***/x.mpd"),
            ("http://h/a1b2c3d4e5f6a7b8c9.ts", "http://h/***.ts"),
            ("http://h/a1b2c3d4e5f6a7b8c9", "http://h/***"),
            ("http://h/6ba7b810-9dad-11d1-80b4-00c04fd430c8/x.ts", "http://h/***/x.ts"),
            ("http://h/hdntl=exp=12~hmac=ab/x.ts;sid=4", "http://h/***/x.ts;***"),
            ("http://h/hdntl=exp=12~hmac=ab", "http://h/hdntl=***"),
            ("http://h", "http://h/"),
            ("testcard:", "testcard://"),
            ("page:https://youtu.be/dQw4w9WgXcQ?si=x", "page:https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
            ("PAGE: http://twitch.tv/NASA", "page:https://www.twitch.tv/nasa"),
            ("file:///srv/joe/pw/17.ts", "file:///srv/joe/pw/17.ts"),
            ("udp://@239.0.0.1:1234?fifo_size=9", "udp://239.0.0.1:1234"),
            ("RTP://10.0.0.5@232.1.1.1:5000", "rtp://10.0.0.5@232.1.1.1:5000"),
        ] {
            let parsed = parse(url).unwrap();
            assert_eq!(parsed.to_string(), shown, "{url}");
            assert_eq!(format!("{parsed:?}"), format!("SourceUrl({shown})"), "{url}");
        }
    }

    #[test]
    fn the_whole_address_is_there_for_who_connects() {
        let url = parse("http://joe:pw@h/live/joe/pw/17.ts?token=t").unwrap();
        assert_eq!(url.expose().as_str(), "http://joe:pw@h/live/joe/pw/17.ts?token=t");
        assert_eq!(url.kind(), SourceKind::Http);
    }

    #[test]
    fn file_paths_start_at_the_folder_of_the_configuration() {
        for (url, path) in [
            ("file:clips/a.ts", "/etc/forebay/clips/a.ts"),
            ("file://clips/a.ts", "/etc/forebay/clips/a.ts"),
            ("file:./a.ts", "/etc/forebay/a.ts"),
            ("FILE:/srv/a.ts", "/srv/a.ts"),
            ("file:///srv/a%20b.ts", "/srv/a b.ts"),
            ("file://localhost/srv/a.ts", "/srv/a.ts"),
            ("file:what? a #1.ts", "/etc/forebay/what? a #1.ts"),
        ] {
            let parsed = parse(url).unwrap();
            assert_eq!(parsed.kind(), SourceKind::File);
            assert_eq!(parsed.file_path().as_deref(), Some(Path::new(path)), "{url}");
        }
    }

    #[test]
    fn a_relative_folder_of_the_configuration_is_made_absolute() {
        let here = std::env::current_dir().unwrap();
        for base in ["", "."] {
            let parsed = SourceUrl::parse("file:a.ts", Path::new(base)).unwrap();
            assert_eq!(parsed.file_path(), Some(here.join("a.ts")), "{base:?}");
        }
    }

    #[test]
    fn only_a_readable_file_passes_the_check() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.ts"), "x").unwrap();
        let check =
            |url: &str| SourceUrl::parse(url, folder.path()).unwrap().check().map_err(|err| err.kind());
        assert_eq!(check("file:a.ts"), Ok(()));
        assert_eq!(check("file:b.ts"), Err(io::ErrorKind::NotFound));
        assert_eq!(check("file://localhost/tmp"), Err(io::ErrorKind::IsADirectory));
        assert_eq!(check("http://127.0.0.1:9/"), Ok(()));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for (url, message) in [
            (
                "",
                "not an address; it begins with http://, https://, page:, file:, udp://, rtp:// or testcard://",
            ),
            (
                "clips/a.ts",
                "not an address; it begins with http://, https://, page:, file:, udp://, rtp:// or testcard://",
            ),
            (
                "joe:pw@h/a.ts",
                "not an address; it begins with http://, https://, page:, file:, udp://, rtp:// or testcard://",
            ),
            (
                "http:joe:pw@h/a.ts",
                "not an address; it begins with http://, https://, page:, file:, udp://, rtp:// or testcard://",
            ),
            (
                "htp://joe:pw@h/",
                "unknown scheme \"htp\", expected http, https, page, file, udp, rtp or testcard; did you mean \"http\"?",
            ),
            (
                "rtmp://joe:pw@h/",
                "unknown scheme \"rtmp\", expected http, https, page, file, udp, rtp or testcard",
            ),
            ("http://", "not a valid address: empty host"),
            ("http://joe:pw@h:99999/", "not a valid address: invalid port number"),
            (
                "http://h/a.ts|User-Agent=VLC",
                "options after \"|\" are not understood; use user_agent = \"…\" and headers = { … }",
            ),
            (
                "file://",
                "names no file; write file:clips/a.ts (from the folder of the configuration) or file:///srv/a.ts",
            ),
            ("testcard://2", "nothing may follow testcard://"),
            ("page:http://joe:pw@h/", "an address of a page has no user, password or port"),
            ("page:file:///etc/passwd", "this is not an http or https address"),
            (
                "page:https://www.twitch.tv/directory",
                "this address of twitch names no video, live channel or clip",
            ),
            (
                "page:https://b23.tv/abc",
                "a short address names no page by itself: write the one that it leads to",
            ),
        ] {
            assert_eq!(parse(url).unwrap_err().to_string(), message, "{url}");
        }
    }
}
