//! Writing lists.

use std::fmt::{self, Write};

use crate::lineup::headers::canonical;
use crate::lineup::{Entry, Origin};

/// Writes a list in the form that all players read: attributes in `"`, one line for each thing, LF.
///
/// Players cut where they should not: quotes within values become `'`, and line ends become blanks.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Begins a list, and names its guide.
    ///
    /// # Errors
    /// Those of `out`; so it is with each method.
    pub fn new(mut out: W, guide: Option<&str>) -> Result<Self, fmt::Error> {
        out.write_str("#EXTM3U")?;
        if let Some(guide) = guide {
            // Players know one name or the other.
            for key in ["url-tvg", "x-tvg-url"] {
                write!(out, " {key}=\"{}\"", Quoted(guide))?;
            }
        }
        out.write_str("\n")?;
        Ok(Self { out })
    }

    /// Writes an entry with all of its properties. Headers go into options, whatever way they came:
    /// some players take `url|headers` for the address.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn entry(&mut self, entry: &Entry) -> fmt::Result {
        self.out.write_str("#EXTINF:-1")?;
        let mut has_attributes = false;
        let all = || entry.properties().iter();
        for (_, key, value) in all().filter(|(origin, ..)| *origin == Origin::Attribute) {
            write!(self.out, " {key}=\"{}\"", Quoted(value))?;
            has_attributes = true;
        }
        if !has_attributes {
            // So that a title that looks like an attribute stays a title.
            self.out.write_str(" tvg-id=\"\"")?;
        }
        writeln!(self.out, ",{}", Line(entry.title()))?;
        for (origin, key, value) in all() {
            match origin {
                Origin::Group => writeln!(self.out, "#EXTGRP:{}", Line(value))?,
                Origin::Kodi => writeln!(self.out, "#KODIPROP:{}={}", Line(key), Line(value))?,
                Origin::Vlc => writeln!(self.out, "#EXTVLCOPT:{}={}", Line(key), Line(value))?,
                Origin::Attribute | Origin::Http | Origin::UrlSuffix | Origin::Label => (),
            }
        }
        self.headers(entry)?;
        writeln!(self.out, "{}", Line(entry.url()))
    }

    /// Writes a further address of the entry before: see
    /// [`ExtraUrls::Alternates`](super::ExtraUrls::Alternates).
    ///
    /// # Errors
    /// Those of `out`.
    pub fn further_address(&mut self, url: &str) -> fmt::Result {
        writeln!(self.out, "{}", Line(url))
    }

    /// The headers of the address and of `#EXTHTTP`, which no other line has.
    fn headers(&mut self, entry: &Entry) -> fmt::Result {
        // All others have a line or an attribute of their own.
        let has_own = |name: &str| {
            entry.properties().iter().any(|(origin, key, _)| {
                matches!(origin, Origin::Http | Origin::UrlSuffix)
                    && canonical(key).eq_ignore_ascii_case(name)
            })
        };
        let headers = entry.headers();
        let own = headers.iter().filter(|(name, _)| has_own(name));
        let members = own.map(|(name, value)| ((*name).to_owned(), value.clone().into_owned().into()));
        let object: serde_json::Map<String, serde_json::Value> = members.collect();
        if object.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "#EXTHTTP:{}", serde_json::Value::Object(object))
    }

    /// Gives the output back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// A text without line ends.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_char(f, self.0, |it| if it.is_control() { ' ' } else { it })
    }
}

/// A text that may stand in `"`.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clean = |it: char| match it {
            '"' => '\'',
            it if it.is_control() => ' ',
            it => it,
        };
        each_char(f, self.0, clean)
    }
}

fn each_char(f: &mut fmt::Formatter<'_>, text: &str, clean: impl Fn(char) -> char) -> fmt::Result {
    if text.chars().all(|it| clean(it) == it) {
        return f.write_str(text);
    }
    text.chars().try_for_each(|it| f.write_char(clean(it)))
}
