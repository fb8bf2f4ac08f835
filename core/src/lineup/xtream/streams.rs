//! The live streams of an account, as entries of a list.

use std::collections::HashMap;

use super::elements::{Elements, Shape};
use super::lenient::{flag, number, object, text};
use super::stream_url::MAX_STREAM_ID;
use super::{Account, Output};
use crate::lineup::m3u::Document;
use crate::lineup::{Entry, Origin};

/// Categories that one account may have. Big panels have a thousand.
pub const MAX_CATEGORIES: usize = 10_000;

/// The names of an account's categories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Categories {
    names: HashMap<String, (String, bool)>,
}

impl Categories {
    /// Takes one object of the answer to `get_live_categories`. Returns whether it is a category.
    pub fn read(&mut self, bytes: &[u8]) -> bool {
        let Some(object) = object(bytes) else { return false };
        let (id, name) = (text(&object, "category_id"), text(&object, "category_name"));
        let is_good = !id.is_empty() && !name.is_empty() && self.names.len() < MAX_CATEGORIES;
        if is_good {
            self.names.insert(id, (name, flag(&object, "is_adult")));
        }
        is_good
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// The answer to `get_live_streams`, on its way to entries.
#[derive(Debug)]
pub struct LiveStreams<'a> {
    account: &'a Account,
    output: Output,
    categories: &'a Categories,
    elements: Elements,
    entry: Entry,
    summary: StreamSummary,
}

/// What there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSummary {
    /// What the document is, in the words of lists: an array is one.
    pub document: Document,
    /// It came to its end.
    pub is_whole: bool,
    /// Live streams.
    pub live: u64,
    /// Films and others that a panel put among them; they are left out.
    pub others: u64,
    /// Objects that are no streams.
    pub bad: u64,
}

impl<'a> LiveStreams<'a> {
    /// Begins an answer. `output` is what streams will be asked for as.
    pub fn new(account: &'a Account, output: Output, categories: &'a Categories) -> Self {
        let summary =
            StreamSummary { document: Document::Nothing, is_whole: false, live: 0, others: 0, bad: 0 };
        Self { account, output, categories, elements: Elements::default(), entry: Entry::default(), summary }
    }

    /// Takes the next bytes, and hands out the entries that they complete.
    pub fn push(&mut self, bytes: &[u8], take: &mut impl FnMut(&Entry)) {
        let Self { account, output, categories, elements, entry, summary } = self;
        elements.push(bytes, &mut |key, element| {
            // A refusal looks like a list with one stream.
            if key == b"user_info" || key == b"server_info" {
                summary.bad += 1;
                return;
            }
            match read(element, account, *output, categories, entry) {
                Some(true) => {
                    summary.live += 1;
                    take(entry);
                }
                Some(false) => summary.others += 1,
                None => summary.bad += 1,
            }
        });
    }

    /// Ends the answer.
    pub fn finish(self) -> StreamSummary {
        let mut summary = self.summary;
        let elements = self.elements.finish();
        summary.bad += elements.too_long;
        summary.is_whole = elements.is_whole;
        summary.document = match elements.shape {
            Shape::Array | Shape::Object if summary.live > 0 => Document::List,
            Shape::Array => Document::EmptyList,
            // PHP sends `{}` for nothing, and a refusal as an object.
            Shape::Object if summary.bad == 0 => Document::EmptyList,
            Shape::Object | Shape::Other => Document::Json,
            Shape::Html => Document::Html,
            Shape::Nothing => Document::Nothing,
        };
        summary
    }
}

/// Reads a stream into the entry. Returns whether it is a live one; `None` where it is no stream.
fn read(
    bytes: &[u8],
    account: &Account,
    output: Output,
    categories: &Categories,
    entry: &mut Entry,
) -> Option<bool> {
    let object = object(bytes)?;
    let id = number(&object, "stream_id").and_then(|it| u64::try_from(it).ok());
    let id = id.filter(|it| (1..=MAX_STREAM_ID).contains(it))?;
    let kind = text(&object, "stream_type");
    if matches!(&*kind, "movie" | "series" | "created_movie") {
        return Some(false);
    }
    entry.clear();
    entry.set_title(&text(&object, "name"));
    entry.set_url(&account.live(id, output));
    let mut push = |key, value: &str| {
        if !value.is_empty() {
            entry.push(Origin::Attribute, key, value);
        }
    };
    push("tvg-id", &text(&object, "epg_channel_id"));
    push("tvg-logo", &text(&object, "stream_icon"));
    push("tvg-chno", &text(&object, "num"));
    let (category, of_adults) = category(&object, categories);
    push("group-title", category);
    if flag(&object, "tv_archive") {
        push("catchup", "xc");
        push("catchup-days", &text(&object, "tv_archive_duration"));
    }
    if of_adults || flag(&object, "is_adult") {
        push("is_adult", "1");
    }
    if kind == "radio_streams" {
        push("radio", "true");
    }
    Some(true)
}

/// The name of the stream's category, and whether it is for adults.
fn category<'a>(
    object: &serde_json::Map<String, serde_json::Value>,
    categories: &'a Categories,
) -> (&'a str, bool) {
    let listed = || match object.get("category_ids") {
        Some(serde_json::Value::Array(ids)) => ids.first().map(ToString::to_string),
        _ => None,
    };
    let of = |id: &str| categories.names.get(id);
    let found = of(&text(object, "category_id")).or_else(|| of(listed()?.trim_matches('"')));
    found.map_or(("", false), |(name, is_adult)| (name, *is_adult))
}
