//! What users set, field by field, and the channel as everybody sees it.
//!
//! A channel is the provider's entry, with the rules above it, and the edits above these. An edit
//! overrides one field and nothing else, so whatever a provider does, the edit stays, and all the
//! other fields go on following the provider. To reset a field is to take its edit away.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::number::ChannelNumber;
use super::{Entry, names};

/// A field that users may set, with its value; `None` resets it. An empty text sets it to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The name.
    Name(Option<String>),
    /// The number.
    Number(Option<ChannelNumber>),
    /// The group.
    Group(Option<String>),
    /// The address of the logo.
    Logo(Option<String>),
    /// The id in the guide.
    GuideId(Option<String>),
    /// The number of the station at Gracenote.
    GracenoteId(Option<String>),
    /// Whether it is left out of lists.
    Hidden(Option<bool>),
    /// Whether it is for adults.
    Adult(Option<bool>),
    /// The place in its group. Channels that have one come first, the lowest place in front.
    Place(Option<u32>),
}

/// The fields of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// See [`Edit::Name`]; so it is with the others.
    Name,
    /// The number.
    Number,
    /// The group.
    Group,
    /// The logo.
    Logo,
    /// The id in the guide.
    GuideId,
    /// The number at Gracenote.
    GracenoteId,
    /// Left out.
    Hidden,
    /// For adults.
    Adult,
    /// The place in its group.
    Place,
}

/// All that users have set of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edits {
    name: Option<String>,
    number: Option<ChannelNumber>,
    group: Option<String>,
    logo: Option<String>,
    guide_id: Option<String>,
    gracenote_id: Option<String>,
    is_hidden: Option<bool>,
    is_adult: Option<bool>,
    place: Option<u32>,
}

impl Edits {
    /// Sets or resets a field. Returns the edit that undoes it.
    pub fn apply(&mut self, edit: Edit) -> Edit {
        match edit {
            Edit::Name(value) => Edit::Name(std::mem::replace(&mut self.name, value)),
            Edit::Number(value) => Edit::Number(std::mem::replace(&mut self.number, value)),
            Edit::Group(value) => Edit::Group(std::mem::replace(&mut self.group, value)),
            Edit::Logo(value) => Edit::Logo(std::mem::replace(&mut self.logo, value)),
            Edit::GuideId(value) => Edit::GuideId(std::mem::replace(&mut self.guide_id, value)),
            Edit::GracenoteId(value) => Edit::GracenoteId(std::mem::replace(&mut self.gracenote_id, value)),
            Edit::Hidden(value) => Edit::Hidden(std::mem::replace(&mut self.is_hidden, value)),
            Edit::Adult(value) => Edit::Adult(std::mem::replace(&mut self.is_adult, value)),
            Edit::Place(value) => Edit::Place(std::mem::replace(&mut self.place, value)),
        }
    }

    /// The edits that make these of none: what a store keeps.
    pub fn list(&self) -> Vec<Edit> {
        let Self { name, number, group, logo, guide_id, gracenote_id, is_hidden, is_adult, place } =
            self.clone();
        let all = [
            name.map(|it| Edit::Name(Some(it))),
            number.map(|it| Edit::Number(Some(it))),
            group.map(|it| Edit::Group(Some(it))),
            logo.map(|it| Edit::Logo(Some(it))),
            guide_id.map(|it| Edit::GuideId(Some(it))),
            gracenote_id.map(|it| Edit::GracenoteId(Some(it))),
            is_hidden.map(|it| Edit::Hidden(Some(it))),
            is_adult.map(|it| Edit::Adult(Some(it))),
            place.map(|it| Edit::Place(Some(it))),
        ];
        all.into_iter().flatten().collect()
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who says what a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The provider's entry.
    Provider,
    /// The rule at this place.
    Rule(usize),
    /// A user.
    Edit,
}

/// A value, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layered<T> {
    /// The value.
    pub value: T,
    /// Who says so.
    pub layer: Layer,
}

impl<T> Layered<T> {
    fn of_provider(value: T) -> Self {
        Self { value, layer: Layer::Provider }
    }

    pub(super) fn set(&mut self, value: T, layer: Layer) {
        *self = Self { value, layer };
    }

    fn edit(&mut self, value: Option<T>) {
        if let Some(value) = value {
            self.set(value, Layer::Edit);
        }
    }
}

/// A channel as everybody sees it: the entry, then the rules, then the edits. Texts are empty where
/// there is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective<'a> {
    /// The name.
    pub name: Layered<Cow<'a, str>>,
    /// The number, of a user or of the provider. Which one the channel gets is [`assign`]'s to say.
    ///
    /// [`assign`]: super::number::assign
    pub number: Layered<Option<ChannelNumber>>,
    /// The range of numbers, if a rule names one.
    pub number_range: Option<RangeInclusive<u32>>,
    /// The group.
    pub group: Layered<Cow<'a, str>>,
    /// The logo.
    pub logo: Layered<Cow<'a, str>>,
    /// The id in the guide.
    pub guide_id: Layered<Cow<'a, str>>,
    /// The number at Gracenote.
    pub gracenote_id: Layered<Cow<'a, str>>,
    /// Whether it is left out of lists.
    pub is_hidden: Layered<bool>,
    /// Whether it is for adults.
    pub is_adult: Layered<bool>,
    /// The place in its group, which only a user sets.
    pub place: Layered<Option<u32>>,
}

impl<'a> Effective<'a> {
    /// The channel without rules and edits.
    pub fn of(entry: &'a Entry) -> Self {
        let text = |text: Option<&'a str>| Layered::of_provider(Cow::Borrowed(text.unwrap_or_default()));
        Self {
            name: text(Some(entry.name())),
            number: Layered::of_provider(entry.number().and_then(|it| it.parse().ok())),
            number_range: None,
            group: text(entry.group()),
            logo: text(entry.logo()),
            guide_id: text(entry.guide_id()),
            gracenote_id: text(entry.gracenote_id()),
            is_hidden: Layered::of_provider(false),
            is_adult: Layered::of_provider(entry.is_adult()),
            place: Layered::of_provider(None),
        }
    }

    /// Puts the edits above everything.
    pub fn overlay(&mut self, edits: &'a Edits) {
        let text = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
        // A channel without a name could not be found any more; the other texts may be set to
        // nothing.
        self.name.edit(text(&edits.name).filter(|name| !name.is_empty()));
        self.number.edit(edits.number.map(Some));
        self.group.edit(text(&edits.group));
        self.logo.edit(text(&edits.logo));
        self.guide_id.edit(text(&edits.guide_id));
        self.gracenote_id.edit(text(&edits.gracenote_id));
        self.is_hidden.edit(edits.is_hidden);
        self.is_adult.edit(edits.is_adult);
        self.place.edit(edits.place.map(Some));
    }

    /// The fields that a user has set.
    pub fn edited(&self) -> Vec<Field> {
        let layers = [
            (Field::Name, self.name.layer),
            (Field::Number, self.number.layer),
            (Field::Group, self.group.layer),
            (Field::Logo, self.logo.layer),
            (Field::GuideId, self.guide_id.layer),
            (Field::GracenoteId, self.gracenote_id.layer),
            (Field::Hidden, self.is_hidden.layer),
            (Field::Adult, self.is_adult.layer),
            (Field::Place, self.place.layer),
        ];
        layers.into_iter().filter(|(_, layer)| *layer == Layer::Edit).map(|(field, _)| field).collect()
    }

    /// The country, of the entry and else of the name as it is now, of which somebody has read
    /// `name`.
    pub fn country(&self, entry: &Entry, name: &names::Name) -> Option<names::Country> {
        // Mostly nobody has renamed it.
        let of_entry = if self.name.value == entry.name() {
            names::country_by_name(entry, || name.country)
        } else {
            names::country_of(entry)
        };
        of_entry.or(name.country)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineup::Origin;

    fn entry() -> Entry {
        let mut entry = Entry::default();
        entry.set_title("BBC One");
        entry.push(Origin::Attribute, "group-title", "UK");
        entry.push(Origin::Attribute, "tvg-chno", "101");
        entry.push(Origin::Attribute, "tvg-logo", "http://l/");
        entry
    }

    #[test]
    fn an_edit_overrides_one_field_until_it_is_reset() {
        let mut edits = Edits::default();
        let undo = edits.apply(Edit::Name(Some("One".to_owned())));
        edits.apply(Edit::Logo(Some(String::new())));
        let mut entry = entry();
        let mut channel = Effective::of(&entry);
        channel.overlay(&edits);
        assert_eq!((&*channel.name.value, &*channel.group.value, &*channel.logo.value), ("One", "UK", ""));
        assert_eq!(channel.edited(), [Field::Name, Field::Logo]);

        // The provider renames and moves it: the edit stays, and the rest follows.
        entry.clear();
        entry.set_title("BBC 1");
        entry.push(Origin::Attribute, "group-title", "Britain");
        let mut channel = Effective::of(&entry);
        channel.overlay(&edits);
        assert_eq!((&*channel.name.value, &*channel.group.value), ("One", "Britain"));

        edits.apply(undo);
        let mut channel = Effective::of(&entry);
        channel.overlay(&edits);
        assert_eq!((&*channel.name.value, channel.edited()), ("BBC 1", vec![Field::Logo]));
    }

    #[test]
    fn edits_are_stored_as_a_list() {
        let list = [
            Edit::Name(Some("One".to_owned())),
            Edit::Number(ChannelNumber::whole(5)),
            Edit::Hidden(Some(false)),
            Edit::Adult(Some(true)),
            Edit::Place(Some(3)),
        ];
        let mut edits = Edits::default();
        let undo: Vec<Edit> = list.iter().cloned().map(|edit| edits.apply(edit)).collect();
        assert_eq!(edits.list(), list);
        for edit in undo.into_iter().rev() {
            edits.apply(edit);
        }
        assert!(edits.is_empty());
    }
}
