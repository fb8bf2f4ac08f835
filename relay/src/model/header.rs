//! Request headers of a source, as a file or a command line gives them.

use http::header::{self, HeaderName, HeaderValue};

/// Headers that belong to the connection or the range, which the client sets itself.
const RESERVED: &[HeaderName] = &[
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::RANGE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The name of a header a source may have.
pub fn parse_name(text: &str) -> Result<HeaderName, String> {
    match HeaderName::try_from(text) {
        Err(_) => Err(format!("{text:?} is not the name of a header")),
        Ok(name) if name == header::USER_AGENT => {
            Err("the User-Agent has a place of its own: user_agent".into())
        }
        Ok(name) if RESERVED.contains(&name) => Err(format!("{text} is set by Forebay itself")),
        Ok(name) => Ok(name),
    }
}

/// The value of a header. Cookies and keys are sent in headers, so it is marked as one never to
/// print.
pub fn parse_value(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| "the value must be one line without control characters")?;
    value.set_sensitive(true);
    Ok(value)
}

/// A `User-Agent`.
pub fn parse_user_agent(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err("must be one line of plain ASCII characters".into());
    }
    Ok(text.trim().into())
}
