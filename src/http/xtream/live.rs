//! Channels and their groups, as panels list them.

use std::collections::HashSet;
use std::sync::Arc;

use axum::response::Response;
use forebay_core::guide::document::id as guide_id;
use forebay_core::lineup::names::fold;
use forebay_core::lineup::player_id;
use serde::Serialize;

use super::json_of;
use crate::catalogue::BEGINNING;
use crate::db::Error;
use crate::db::listing::{Entry, Number};
use crate::http::pieces::{Listing, Pieces};
use crate::http::sight::Sight;
use crate::http::{State, logo};

/// Where channels are that are in no group: players hide what has no category.
const NO_GROUP: &str = "Other";

/// A group.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "they are named as panels name them")]
pub(super) struct Category {
    category_id: String,
    category_name: String,
    parent_id: u32,
}

/// A channel, in the order and with the types of panels.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "they are named as panels name them")]
struct Stream<'a> {
    num: u64,
    name: &'a str,
    stream_type: &'static str,
    stream_id: u32,
    stream_icon: String,
    epg_channel_id: String,
    added: &'static str,
    is_adult: &'static str,
    category_id: String,
    category_ids: [u32; 1],
    custom_sid: &'static str,
    tv_archive: u8,
    direct_source: &'static str,
    tv_archive_duration: u64,
}

/// The number of a group: that of its name, so that it stays when groups come, go or move.
pub(super) fn category_of(group: Option<&str>) -> u32 {
    // 31 bits, since players keep numbers in such; never 0, which stands for no category.
    player_id::hash(fold(group.unwrap_or_default()).as_bytes(), 31).max(1)
}

impl Category {
    pub(super) fn new(group: Option<&str>) -> Self {
        Self {
            category_id: category_of(group).to_string(),
            category_name: group.unwrap_or(NO_GROUP).to_owned(),
            parent_id: 0,
        }
    }
}

/// The groups in the order of lists.
pub(super) async fn categories(state: &State, sight: Sight) -> Result<Vec<Category>, Error> {
    let list = state.catalogue.list();
    let read = list.read(move |list, connection| {
        let (mut known, mut all) = (HashSet::new(), Vec::new());
        let mut previous = None;
        list.walk(connection, BEGINNING, |entry| {
            // Those of one group mostly follow each other.
            if sight.sees(&entry) && previous.as_ref() != Some(&entry.group.map(str::to_owned)) {
                previous = Some(entry.group.map(str::to_owned));
                if known.insert(category_of(entry.group)) {
                    all.push(Category::new(entry.group));
                }
            }
            true
        })?;
        Ok(all)
    });
    read.await
}

/// The channels, of one group if one is named.
/// The addresses of their logos begin with `logos`.
pub(super) fn streams(state: &State, sight: Sight, category: Option<u32>, logos: String) -> Response {
    let form = Streams { sight, category, logos, adult: state.accounts.adult_groups() };
    json_of(Pieces::new(state.catalogue.list(), form).into_body())
}

#[derive(Debug)]
struct Streams {
    sight: Sight,
    category: Option<u32>,
    logos: String,
    adult: Arc<[String]>,
}

impl Listing for Streams {
    fn head(&self) -> &'static str {
        "["
    }

    fn tail(&self) -> &'static str {
        "]"
    }

    fn writer(&self) -> impl FnMut(&mut String, &Entry<'_>, usize) -> bool {
        let mut groups = Groups::default();
        move |out, entry, before| {
            let group = groups.of(entry.group, &self.adult);
            let is_wanted = self.category.is_none_or(|wanted| wanted == group.category);
            let Some(stream_id) = entry.player_id.filter(|_| is_wanted && self.sight.sees(entry)) else {
                return false;
            };
            if before > 0 {
                out.push(',');
            }
            let place = u64::try_from(before).unwrap_or(u64::MAX).saturating_add(1);
            let stream = Stream {
                // Players show it as the number of the channel, and a fraction breaks some.
                num: entry.number.and_then(Number::whole).map_or(place, u64::from),
                name: entry.name,
                stream_type: "live",
                stream_id,
                stream_icon: logo::address(&self.logos, entry).unwrap_or_default(),
                epg_channel_id: guide_id(stream_id),
                added: "0",
                is_adult: if group.is_adult { "1" } else { "0" },
                category_id: group.category.to_string(),
                category_ids: [group.category],
                custom_sid: "",
                tv_archive: u8::from(entry.archive.is_some()),
                direct_source: "",
                tv_archive_duration: entry.archive_days().unwrap_or(0),
            };
            out.push_str(&serde_json::to_string(&stream).expect("it is made of texts and numbers"));
            true
        }
    }
}

/// What is known of the group that was asked for last: those of one group mostly follow each other.
#[derive(Debug, Default)]
struct Groups {
    last: Option<(Option<String>, Group)>,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    category: u32,
    is_adult: bool,
}

impl Groups {
    fn of(&mut self, group: Option<&str>, adult: &[String]) -> Group {
        match &self.last {
            Some((last, known)) if last.as_deref() == group => *known,
            _ => {
                let is_adult = group.is_some_and(|group| adult.iter().any(|name| fold(name) == fold(group)));
                let known = Group { category: category_of(group), is_adult };
                self.last = Some((group.map(str::to_owned), known));
                known
            }
        }
    }
}
