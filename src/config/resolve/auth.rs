//! `[auth]`.

use forebay_relay::model::Checker;
use forebay_relay::model::header::parse_name;

use super::super::file::AuthFile;
use super::super::{Auth, StreamAccess};
use super::server::parse_choice;

/// The names of [`StreamAccess`].
const STREAMS: &[&str] = &["private", "open", "token", "user"];

/// `[auth]`.
pub(super) fn auth(checker: &mut Checker, typed: &AuthFile) -> Auth {
    let streams =
        checker.field("streams", typed.streams.as_ref(), |text| parse_choice::<StreamAccess>(text, STREAMS));
    let groups = typed.adult_groups.as_deref().unwrap_or_default();
    Auth {
        streams: streams.unwrap_or_default(),
        user_header: checker.field("user_header", typed.user_header.as_ref(), |text| parse_name(text)),
        adult_groups: checker.list("adult_groups", groups, |text| match text.trim() {
            "" => Err("expected the name of a group".to_owned()),
            text => Ok(text.to_owned()),
        }),
    }
}
