//! The address of an account, in any of the ways in which people paste it.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

/// An account at a panel.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Scheme, host, port, and a folder if the panel is in one. Ends with `/`.
    base: Url,
    user: String,
    password: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// Why a text is no address of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no host in it.
    #[error("this is no address: it should look like http://host:port")]
    NoHost,
    /// The scheme is another one.
    #[error("an account is reached by http or https")]
    Scheme,
    /// There is no user or no password in it.
    #[error("the address has no user name and password: give them beside it")]
    NoCredentials,
    /// It is too long.
    #[error("the address has more than {MAX_ADDRESS_BYTES} bytes")]
    TooLong,
}

/// Longer addresses are refused.
pub const MAX_ADDRESS_BYTES: usize = 4096;

/// What a live stream is asked for as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// A transport stream. All panels have it.
    #[default]
    Ts,
    /// HLS.
    Hls,
}

/// The documents of a panel, behind which an address may end.
const DOCUMENTS: [&str; 9] = [
    "get.php",
    "player_api.php",
    "player_api",
    "panel_api.php",
    "xmltv.php",
    "index.php",
    "portal.php",
    "c",
    "get",
];

/// In paths everything is encoded but these, which no server reads as anything else.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

impl Account {
    /// Reads an address with the user and the password in it: that of a list or of a stream,
    /// `user:password@host`, or the three of them with blanks, line ends, `;`, `|` or words
    /// between.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn read(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        let text = text.replace("&amp;", "&");
        if let Some(account) = whole_address(&text) {
            return Ok(account);
        }
        let parts = parts(&text);
        let (address, rest) = parts.split_first().ok_or(AddressError::NoHost)?;
        let url = url_of(address)?;
        if let [user, password, ..] = rest {
            return Self::with(&url, user, password);
        }
        let (user, password) = credentials(&url).ok_or(AddressError::NoCredentials)?;
        Self::with(&url, &user, &password)
    }

    /// The account at an address, of which the credentials are given beside it.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn new(address: &str, user: &str, password: &str) -> Result<Self, AddressError> {
        if address.len() > MAX_ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        let parts = parts(address);
        Self::with(&url_of(parts.first().ok_or(AddressError::NoHost)?)?, user, password)
    }

    fn with(url: &Url, user: &str, password: &str) -> Result<Self, AddressError> {
        if user.is_empty() || password.is_empty() {
            return Err(AddressError::NoCredentials);
        }
        Ok(Self { base: base_of(url), user: user.to_owned(), password: password.to_owned() })
    }

    /// Scheme, host, port and folder. Ends with `/`.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The address of the interface, for this action; without one it answers with the account.
    pub fn api(&self, action: Option<&str>) -> Url {
        let mut url = self.document("player_api.php");
        if let Some(action) = action {
            url.query_pairs_mut().append_pair("action", action);
        }
        url
    }

    /// The address of the guide.
    pub fn guide(&self) -> Url {
        self.document("xmltv.php")
    }

    fn document(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{name}", self.base.path()));
        url.query_pairs_mut().append_pair("username", &self.user).append_pair("password", &self.password);
        url
    }

    /// The address of a live stream.
    pub fn live(&self, stream_id: u64, output: Output) -> String {
        let encoded = |text| utf8_percent_encode(text, IN_PATH);
        let ending = match output {
            Output::Ts => "ts",
            Output::Hls => "m3u8",
        };
        let (user, password) = (encoded(&self.user), encoded(&self.password));
        format!("{}live/{user}/{password}/{stream_id}.{ending}", self.base)
    }
}

/// The account of an address with user and password in its query. A password may have any
/// character, so nothing but blanks ends such an address.
fn whole_address(text: &str) -> Option<Account> {
    let quotes = |it: char| matches!(it, '<' | '>' | '"' | '\'' | '`');
    let addresses = text.split_whitespace().map(|word| word.trim_matches(quotes));
    let url = addresses
        .filter_map(|word| url_of(without_label(word)).ok())
        .find(|url| query_credentials(url).is_some())?;
    let (user, password) = query_credentials(&url)?;
    Account::with(&url, &user, &password).ok()
}

/// The address, the user and the password, as far as there are so many. Words such as `Username:`
/// in front of them go.
fn parts(text: &str) -> Vec<&str> {
    let separates = |it: char| it.is_whitespace() || matches!(it, ';' | '|' | '<' | '>' | '"' | '\'' | '`');
    let mut found: Vec<&str> =
        text.split(separates).filter(|part| !part.is_empty() && !is_label(part)).map(without_label).collect();
    // An address in the middle of a message comes first.
    if let Some(at) = found.iter().position(|part| part.contains("://")) {
        found.swap(0, at);
    }
    if let [one] = found[..]
        && !one.contains("://")
        && one.matches(',').count() == 2
    {
        return one.split(',').collect();
    }
    found
}

const LABELS: [&str; 16] = [
    "url", "host", "server", "portal", "address", "user", "username", "usr", "login", "name", "pass",
    "password", "pwd", "pw", "xtream", "dns",
];

fn is_label(part: &str) -> bool {
    let word = part.trim_end_matches([':', '=']);
    // `user` alone may be a user's name.
    word.len() < part.len() && LABELS.iter().any(|it| word.eq_ignore_ascii_case(it)) || part == "-"
}

/// `Username:joe` is `joe`, `host:8080` is `host:8080`.
fn without_label(part: &str) -> &str {
    match part.split_once([':', '=']) {
        Some((label, rest))
            if LABELS.iter().any(|it| label.eq_ignore_ascii_case(it))
                && !rest.is_empty()
                && !rest.starts_with("//")
                && !rest
                    .bytes()
                    .next()
                    .is_some_and(|it| it.is_ascii_digit() && label.eq_ignore_ascii_case("host")) =>
        {
            rest
        }
        _ => part,
    }
}

fn url_of(address: &str) -> Result<Url, AddressError> {
    let address = address.trim_start_matches("//");
    let parse = |text: &str| Url::parse(text).map_err(|_| AddressError::NoHost);
    let url = if let Some((scheme, rest)) = address.split_once("://") {
        match &*scheme.to_ascii_lowercase() {
            "http" | "https" => parse(address)?,
            "xtream" | "xc" => parse(&format!("http://{rest}"))?,
            _ => return Err(AddressError::Scheme),
        }
    } else {
        let authority = address.split(['/', '?', '#']).next().unwrap_or_default();
        let is_tls = authority.ends_with(":443") || authority.ends_with(":8443");
        parse(&format!("{}://{address}", if is_tls { "https" } else { "http" }))?
    };
    if url.host_str().is_some_and(|host| !host.is_empty()) { Ok(url) } else { Err(AddressError::NoHost) }
}

/// The user and the password in a query.
fn query_credentials(url: &Url) -> Option<(String, String)> {
    let value = |names: [&str; 2]| {
        let is_wanted = |name: &str| names.iter().any(|it| name.eq_ignore_ascii_case(it));
        url.query_pairs().find(|(name, _)| is_wanted(name)).map(|it| it.1.into_owned())
    };
    Some((value(["username", "user"])?, value(["password", "pass"])?))
}

/// The user and the password in an address.
fn credentials(url: &Url) -> Option<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    if let Some(found) = query_credentials(url) {
        return Some(found);
    }
    if let Some(password) = url.password() {
        return Some((decoded(url.username()), decoded(password)));
    }
    let (_, user, password) = stream_path(url)?;
    Some((decoded(user), decoded(password)))
}

/// The number of segments in front, the user and the password, in the path of a stream or a list:
/// `live/U/P/17.ts`, `U/P/17`, `playlist/U/P/m3u_plus`.
fn stream_path(url: &Url) -> Option<(usize, &str, &str)> {
    let segments: Vec<&str> = url.path_segments()?.filter(|it| !it.is_empty()).collect();
    // Behind a folder of any name, a document is no stream.
    if segments.last().is_some_and(|last| is_document(last)) {
        return None;
    }
    let known = ["live", "movie", "series", "playlist", "timeshift"];
    if let Some(at) = segments.iter().position(|it| known.contains(it)) {
        return Some((at, segments.get(at + 1)?, segments.get(at + 2)?));
    }
    let [.., user, password, file] = segments[..] else { return None };
    let number = file.split('.').next().unwrap_or_default();
    let is_stream = !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit());
    is_stream.then_some((segments.len() - 3, user, password))
}

fn is_document(segment: &str) -> bool {
    DOCUMENTS.iter().any(|it| segment.eq_ignore_ascii_case(it))
}

/// The address without the document, the credentials and the query.
fn base_of(url: &Url) -> Url {
    let mut segments: Vec<&str> =
        url.path_segments().into_iter().flatten().filter(|it| !it.is_empty()).collect();
    if let Some((in_front, _, _)) = stream_path(url) {
        segments.truncate(in_front);
    }
    while segments.last().is_some_and(|last| is_document(last)) {
        segments.pop();
    }
    let path = segments.iter().fold("/".to_owned(), |path, segment| path + segment + "/");
    let mut base = url.clone();
    base.set_path(&path);
    base.set_query(None);
    base.set_fragment(None);
    // Neither fails for an address that has a host.
    let _ = base.set_username("");
    let _ = base.set_password(None);
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_are_one_account() {
        let spellings = [
            "http://h.tv:8080/get.php?username=joe&password=s3cret&type=m3u_plus&output=ts",
            "http://h.tv:8080/get.php?type=m3u&password=s3cret&username=joe",
            "http://h.tv:8080/player_api.php?username=joe&password=s3cret",
            "http://h.tv:8080/player_api.php?username=joe&password=s3cret&action=get_live_streams",
            "http://h.tv:8080/panel_api.php?username=joe&password=s3cret",
            "http://h.tv:8080/xmltv.php?username=joe&amp;password=s3cret",
            "http://h.tv:8080//get.php?username=joe&password=s3cret#x",
            "h.tv:8080/get.php?username=joe&password=s3cret",
            "//h.tv:8080/get.php?username=joe&password=s3cret",
            "http://joe:s3cret@h.tv:8080",
            "http://joe:s3cret@h.tv:8080/",
            "HTTP://H.TV:8080/c/ joe s3cret",
            "xtream://joe:s3cret@h.tv:8080",
            "http://h.tv:8080 joe s3cret",
            "h.tv:8080 joe s3cret",
            "  http://h.tv:8080/\r\njoe\r\ns3cret\r\n",
            "h.tv:8080,joe,s3cret",
            "http://h.tv:8080;joe;s3cret",
            "http://h.tv:8080/player_api.php | joe | s3cret",
            "Host: http://h.tv:8080\nUsername: joe\nPassword: s3cret",
            "url=http://h.tv:8080 user=joe pass=s3cret",
            "<http://h.tv:8080/live/joe/s3cret/17.ts>",
            "http://h.tv:8080/joe/s3cret/17",
            "http://h.tv:8080/playlist/joe/s3cret/m3u_plus?output=hls",
            "http://h.tv:8080/get.php?user=joe&pass=s3cret",
            "http://h.tv:8080/portal.php joe s3cret",
        ];
        let expected = Account::new("http://h.tv:8080", "joe", "s3cret").expect("it is one");
        for text in spellings {
            assert_eq!(Account::read(text).as_ref().map(shown), Ok(shown(&expected)), "{text}");
        }
    }

    fn shown(account: &Account) -> String {
        format!("{} {} {}", account.base, account.user, account.password)
    }

    #[test]
    fn folders_ports_encodings_and_addresses_of_six() {
        let table = [
            ("https://h/sub/path/player_api.php?username=u&password=p", "https://h/sub/path/ u p"),
            ("https://h/sub/live/u/p/17.ts", "https://h/sub/ u p"),
            ("http://h/c/u/p/17", "http://h/ u p"),
            ("http://u:p@h/live/folder", "http://h/live/folder/ u p"),
            ("http://h/live/folder/get.php?username=u&password=p", "http://h/live/folder/ u p"),
            ("h:443/get.php?username=u&password=p", "https://h/ u p"),
            ("http://h:80/get.php?username=u&password=p", "http://h/ u p"),
            ("http://h/get.php?username=u%40x.y&password=p%2Fq%26r", "http://h/ u@x.y p/q&r"),
            ("http://h/get.php?username=u&password=p;q|r", "http://h/ u p;q|r"),
            ("my line: http://h/get.php?username=u&password=p;q thanks", "http://h/ u p;q"),
            ("http://u%40x:p%3Aq@h", "http://h/ u@x p:q"),
            ("http://h/live/u%40x/p%20q/1.ts", "http://h/ u@x p q"),
            ("http://[2001:db8::1]:8080/get.php?username=u&password=p", "http://[2001:db8::1]:8080/ u p"),
            ("http://h/ user pass", "http://h/ user pass"),
        ];
        for (text, expected) in table {
            assert_eq!(Account::read(text).as_ref().map(shown).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let long = "x".repeat(5000);
        let table = [
            ("", AddressError::NoHost),
            ("   ", AddressError::NoHost),
            ("http://", AddressError::NoHost),
            ("http://h:8080", AddressError::NoCredentials),
            ("http://h:8080/get.php?username=u", AddressError::NoCredentials),
            ("http://h:8080/get.php?username=u&password=", AddressError::NoCredentials),
            ("http://h user", AddressError::NoCredentials),
            ("ftp://u:p@h/", AddressError::Scheme),
            ("file:///etc/passwd u p", AddressError::Scheme),
            (&*long, AddressError::TooLong),
        ];
        for (text, error) in table {
            assert_eq!(Account::read(text), Err(error), "{text}");
        }
    }

    #[test]
    fn addresses_are_built_and_secrets_are_not_shown() {
        let account = Account::read("http://h/sub/ u@x p/q").expect("it is one");
        let api = account.api(Some("get_live_streams"));
        assert_eq!(
            api.as_str(),
            "http://h/sub/player_api.php?username=u%40x&password=p%2Fq&action=get_live_streams"
        );
        assert_eq!(account.live(17, Output::Ts), "http://h/sub/live/u@x/p%2Fq/17.ts");
        assert_eq!(account.live(17, Output::Hls), "http://h/sub/live/u@x/p%2Fq/17.m3u8");
        assert_eq!(account.guide().as_str(), "http://h/sub/xmltv.php?username=u%40x&password=p%2Fq");
        assert_eq!(Account::read(account.api(None).as_str()), Ok(account.clone()));
        assert_eq!(format!("{account:?}"), "Account { base: \"http://h/sub/\", .. }");
    }
}
