//! What a guide says of a channel or a programme, element by element, as it is kept and written.

use super::entities::escape;
use super::schema::Tag;

/// An element with all that stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// What it is.
    pub tag: Tag,
    /// Its attributes, by name.
    pub attributes: Vec<(&'static str, String)>,
    /// Its text, without blanks at both ends.
    pub text: String,
    /// The elements in it.
    pub children: Vec<Self>,
}

/// The elements of a channel or a programme, in the order of the format, and its further
/// attributes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// Attributes of a programme besides its times and its channel, by name.
    pub attributes: Vec<(&'static str, String)>,
    /// The elements.
    pub elements: Vec<Element>,
}

impl Element {
    /// An element with a text.
    pub fn new(tag: Tag, text: &str) -> Self {
        Self { tag, attributes: Vec::new(), text: text.to_owned(), children: Vec::new() }
    }

    /// One of its attributes.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.attributes, name)
    }

    /// Brings what stands in it into order, and leaves out what may not.
    pub(super) fn settle(&mut self) {
        if matches!(self.tag, Tag::Rating | Tag::StarRating)
            && !self.text.is_empty()
            && !self.children.iter().any(|it| it.tag == Tag::Value)
        {
            // Many guides write the value without its element.
            self.children.push(Self::new(Tag::Value, &std::mem::take(&mut self.text)));
        }
        if !self.tag.has_text() {
            self.text.clear();
        }
        order(&mut self.children);
    }

    /// Whether it says anything, and has what it needs.
    pub(super) fn is_good(&self) -> bool {
        let needs = self.tag.attributes().iter().filter(|it| it.is_required);
        let has_all = needs.into_iter().all(|it| self.attribute(it.name).is_some());
        let has_value = !matches!(self.tag, Tag::Rating | Tag::StarRating)
            || self.children.iter().any(|it| it.tag == Tag::Value);
        let is_empty = self.text.is_empty() && self.children.is_empty();
        has_all && has_value && (!is_empty || self.tag == Tag::Icon || self.tag.may_be_empty())
    }

    fn write(&self, out: &mut String) {
        let name = self.tag.name();
        out.push('<');
        out.push_str(name);
        write_attributes(out, &self.attributes);
        if self.text.is_empty() && self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        escape(out, &self.text);
        self.children.iter().for_each(|child| child.write(out));
        out.push_str("</");
        out.push_str(name);
        out.push('>');
    }
}

impl Details {
    /// The texts of the elements of a kind.
    pub fn texts(&self, tag: Tag) -> impl Iterator<Item = &str> {
        self.all(tag).map(|it| &*it.text)
    }

    /// The elements of a kind.
    pub fn all(&self, tag: Tag) -> impl Iterator<Item = &Element> {
        self.elements.iter().filter(move |it| it.tag == tag)
    }

    /// The first element of a kind.
    pub fn first(&self, tag: Tag) -> Option<&Element> {
        self.all(tag).next()
    }

    /// Brings the elements into the order of the format. Of those that may be there once the first
    /// one counts.
    pub(super) fn settle(&mut self) {
        order(&mut self.elements);
    }

    /// Writes the rest of a `programme` behind its times and its channel, to the end of its line.
    pub fn write_programme(&self, out: &mut String) {
        write_attributes(out, &self.attributes);
        out.push('>');
        self.elements.iter().for_each(|it| it.write(out));
        out.push_str("</programme>\n");
    }
}

pub(super) fn attribute<'a>(attributes: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
}

fn order(elements: &mut Vec<Element>) {
    if !elements.is_sorted_by_key(|it| it.tag) {
        elements.sort_by_key(|it| it.tag);
    }
    elements.dedup_by(|it, before| it.tag == before.tag && it.tag.is_single());
}

fn write_attributes(out: &mut String, attributes: &[(&'static str, String)]) {
    for (name, value) in attributes {
        out.push(' ');
        out.push_str(name);
        out.push_str("=\"");
        escape(out, value);
        out.push('"');
    }
}
