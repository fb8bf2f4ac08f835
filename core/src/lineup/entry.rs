//! One entry of a list, as the provider wrote it.
//!
//! An entry keeps every attribute and option with its origin, so that nothing is lost on the way to
//! the database and back. What they mean is asked for by methods, since players disagree on names:
//! each method looks at all spellings in use. A parser clears one entry and fills it again, so a
//! list of 600,000 costs the memory of one.

use std::borrow::Cow;

use super::{Origin, Properties, headers};

/// How a provider's archive of a channel is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Catchup<'a> {
    /// `default`, `append`, `shift`, `flussonic`, `xc`, `vod` or what else the list says.
    pub mode: &'a str,
    /// A template of the address; empty where the mode needs none.
    pub source: &'a str,
    /// How many days back, as written.
    pub days: Option<&'a str>,
    /// Hours to add to times, as written.
    pub correction: Option<&'a str>,
}

/// One entry of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    title: String,
    url: String,
    properties: Properties,
}

/// Guide ids that say that there is none.
const NO_ID: [&str; 10] =
    ["(no tvg-id)", "no tvg-id", "none", "null", "undefined", "unknown", "n/a", "na", "-", "0"];

impl Entry {
    /// Makes it empty and keeps its memory.
    pub fn clear(&mut self) {
        self.title.clear();
        self.url.clear();
        self.properties.clear();
    }

    /// Sets the title, which stands after the comma of `#EXTINF`.
    pub fn set_title(&mut self, title: &str) {
        self.title.clear();
        self.title.push_str(title);
    }

    /// Sets the address.
    pub fn set_url(&mut self, url: &str) {
        self.url.clear();
        self.url.push_str(url);
    }

    /// Adds a property. Returns whether there was room.
    pub fn push(&mut self, origin: Origin, key: &str, value: &str) -> bool {
        self.properties.push(origin, key, value)
    }

    /// The text after the comma; may be empty.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The address without headers and label. Not always an address: some lists have a remark
    /// there.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The attributes and options.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    pub(super) fn properties_mut(&mut self) -> &mut Properties {
        &mut self.properties
    }

    /// The name: the title, else `tvg-name`, else the guide id, else the last part of the address.
    pub fn name(&self) -> &str {
        self.first_name(self.title())
    }

    /// The name for lists whose `tvg-name` is the better one: that, else as [`Self::name`].
    pub fn name_by_tvg_name(&self) -> &str {
        self.first_name(self.tvg_name().unwrap_or_else(|| self.title()))
    }

    fn first_name<'a>(&'a self, wanted: &'a str) -> &'a str {
        if !wanted.is_empty() {
            return wanted;
        }
        let last_part = || {
            let path = self.url.split(['?', '#']).next().unwrap_or_default();
            path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
        };
        self.tvg_name().or_else(|| self.guide_id()).unwrap_or_else(last_part)
    }

    /// `tvg-name`.
    pub fn tvg_name(&self) -> Option<&str> {
        self.properties.attribute(&["tvg-name"])
    }

    /// The id of the channel in the guide.
    pub fn guide_id(&self) -> Option<&str> {
        let id = self.properties.attribute(&["tvg-id", "channel-id", "channelid"])?.trim();
        let says_none = NO_ID.iter().any(|none| id.eq_ignore_ascii_case(none));
        (!says_none && !id.is_empty()).then_some(id)
    }

    /// The group, or several with `;` between them.
    pub fn group(&self) -> Option<&str> {
        let of_line = || self.properties.get(Origin::Group, "");
        self.properties.attribute(&["group-title"]).or_else(of_line)
    }

    /// The address of the logo.
    pub fn logo(&self) -> Option<&str> {
        self.properties.attribute(&["tvg-logo", "logo", "tvg-logo-small"])
    }

    /// The channel number as written.
    pub fn number(&self) -> Option<&str> {
        self.properties.attribute(&["tvg-chno", "channel-number", "ch-number", "tvh-chnum"])
    }

    /// The country, as a code or a name.
    pub fn country(&self) -> Option<&str> {
        self.properties.attribute(&["tvg-country", "country"])
    }

    /// The station's number at Gracenote, by which some recorders find their own guide.
    pub fn gracenote_id(&self) -> Option<&str> {
        self.properties.attribute(&["tvc-guide-stationid", "gracenote-id"])
    }

    /// Seconds that are to be added to the times of the guide: 0 where it says nothing, or nothing
    /// that could be.
    pub fn guide_shift(&self) -> i32 {
        self.properties.attribute(&["tvg-shift"]).and_then(hours).unwrap_or_default()
    }

    /// Whether it says that it has sound only.
    pub fn is_radio(&self) -> bool {
        self.properties.attribute(&["radio"]).is_some_and(|it| it.eq_ignore_ascii_case("true"))
    }

    /// Whether it says that it is for adults, or needs a code.
    pub fn is_adult(&self) -> bool {
        let says_yes = |value: &str| !matches!(value, "0" | "false" | "none" | "None" | "no");
        let keys = ["is_adult", "is-adult", "censored", "parent-code", "adult"];
        self.properties.attribute(&keys).is_some_and(says_yes)
    }

    /// The provider's archive, if the entry has one.
    pub fn catchup(&self) -> Option<Catchup<'_>> {
        let of = |keys: &[&str]| self.properties.attribute(keys);
        let days = of(&["catchup-days"]).or_else(|| of(&["timeshift", "tvg-rec"]));
        let is_mode = |mode: &&str| !matches!(*mode, "0" | "false" | "none");
        // A number of days alone means that the live address takes `utc` and `lutc`.
        let by_days = || days.filter(|days| *days != "0").map(|_| "shift");
        let mode = of(&["catchup", "catchup-type"]).filter(is_mode).or_else(by_days)?;
        Some(Catchup {
            mode,
            source: of(&["catchup-source"]).unwrap_or_default(),
            days,
            correction: of(&["catchup-correction"]),
        })
    }

    /// The headers that requests need, each once. Where a list gives one in several ways, that of
    /// the address wins, then `#EXTHTTP`, `#EXTVLCOPT`, `#KODIPROP`, and the attribute.
    pub fn headers(&self) -> Vec<(&str, Cow<'_, str>)> {
        headers::of(&self.properties)
    }
}

/// Hours as lists write them (`-4.5`, `+1`, `1,5`), in seconds. No clock is wrong by more than a
/// day.
pub(super) fn hours(text: &str) -> Option<i32> {
    const DAY: f64 = 24.0;
    let hours: f64 = text.trim().replace(',', ".").parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "it is at most a day")]
    let seconds = (hours * 3600.0).round() as i32;
    (hours.abs() <= DAY).then_some(seconds)
}
