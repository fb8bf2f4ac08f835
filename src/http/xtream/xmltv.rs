//! `xmltv.php`: the channels by which a guide names them, without programmes as long
//! as no guide is read.

use std::fmt::Write as _;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};

use crate::db::listing::Entry;
use crate::http::State;
use crate::http::auth::Watching;
use crate::http::pieces::{Listing, Pieces};
use crate::http::sight::Sight;

/// `GET /xmltv.php`
pub(in crate::http) async fn xmltv(state: State, watching: Watching) -> Response {
    let form = Form { sight: state.sight(&watching) };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, Pieces::new(state.catalogue.list(), form).into_body()).into_response()
}

#[derive(Debug)]
struct Form {
    sight: Sight,
}

impl Listing for Form {
    fn head(&self) -> &'static str {
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE tv SYSTEM \"xmltv.dtd\">\n\
         <tv generator-info-name=\"Forebay\">\n"
    }

    fn tail(&self) -> &'static str {
        "</tv>\n"
    }

    fn writer(&self) -> impl FnMut(&mut String, &Entry<'_>, usize) -> bool {
        move |out, entry, _| {
            if !self.sight.sees(entry) {
                return false;
            }
            out.push_str("<channel id=\"");
            escape(out, entry.guide_id.unwrap_or(entry.id));
            out.push_str("\"><display-name>");
            escape(out, entry.name);
            out.push_str("</display-name>");
            if let Some(number) = entry.number {
                let _ = write!(out, "<display-name>{number}</display-name>");
            }
            if let Some(logo) = entry.logo {
                out.push_str("<icon src=\"");
                escape(out, logo);
                out.push_str("\"/>");
            }
            out.push_str("</channel>\n");
            true
        }
    }
}

/// Writes a text as XML, without the characters that XML cannot have.
fn escape(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            char if char.is_control() || matches!(char, '\u{FFFE}' | '\u{FFFF}') => out.push(' '),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_have_becomes_a_space() {
        let mut out = String::new();
        escape(&mut out, "A&B <\"C\"> \u{1}\u{0}é\u{FFFF}");
        assert_eq!(out, "A&amp;B &lt;&quot;C&quot;&gt;   é ");
    }
}
