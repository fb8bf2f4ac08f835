//! Our own guide, as XMLTV.

use std::fmt::Write as _;

use super::entities::escape;
use super::times;
use crate::lineup::UnixTime;

/// What a document begins with.
pub const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE tv SYSTEM \"xmltv.dtd\">\n\
                        <tv generator-info-name=\"Forebay\">\n";

/// What it ends with.
pub const TAIL: &str = "</tv>\n";

/// The id of a channel in our guide, made of the number that it has for ever: with words behind it,
/// since a player mixes up ids that are bare numbers, and no shorter than eight digits.
pub fn id(player_id: u32) -> String {
    format!("c{player_id:08}.forebay")
}

/// Writes a channel.
pub fn channel(out: &mut String, id: &str, name: &str, number: Option<&str>, icon: Option<&str>) {
    let _ = write!(out, "<channel id=\"{id}\"><display-name>");
    escape(out, name);
    out.push_str("</display-name>");
    if let Some(number) = number {
        let _ = write!(out, "<display-name>{number}</display-name>");
    }
    if let Some(icon) = icon {
        out.push_str("<icon src=\"");
        escape(out, icon);
        out.push_str("\"/>");
    }
    out.push_str("</channel>\n");
}

/// Writes a programme with what
/// [`write_programme`](super::details::Details::write_programme) has written of it.
pub fn programme(out: &mut String, id: &str, (start, stop): (UnixTime, UnixTime), written: &str) {
    out.push_str("<programme start=\"");
    times::write(out, start);
    out.push_str("\" stop=\"");
    times::write(out, stop);
    let _ = write!(out, "\" channel=\"{id}\"");
    out.push_str(written);
}
