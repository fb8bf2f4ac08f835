//! The attributes and options of an entry, each with its origin.

/// Attributes and options that one entry may have. The richest real entries have about 20.
pub const MAX_PROPERTIES: usize = 64;

/// Bytes that they may have together: a `data:` logo of 64 KiB and everything else.
pub const MAX_PROPERTY_BYTES: usize = 128 * 1024;

/// Which line gave a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// `key="value"` in `#EXTINF` or `#EXTM3U`.
    Attribute,
    /// `#EXTGRP:`; the key is empty.
    Group,
    /// `#KODIPROP:key=value`.
    Kodi,
    /// `#EXTVLCOPT:key=value`.
    Vlc,
    /// A member of the object in `#EXTHTTP:`: a header of the request.
    Http,
    /// `url|key=value`: a header of the request.
    UrlSuffix,
    /// `url$label`, as Chinese lists name the lines of a channel; the key is empty.
    Label,
}

impl Origin {
    /// All of them. The position of each is its code in [`Self::from_code`].
    pub const ALL: [Self; 7] =
        [Self::Attribute, Self::Group, Self::Kodi, Self::Vlc, Self::Http, Self::UrlSuffix, Self::Label];

    /// A number to store it by. It never changes.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The origin of a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy)]
struct Property {
    origin: Origin,
    key: Span,
    value: Span,
}

/// Attributes and options in the order of the list, in one piece of memory.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    text: String,
    list: Vec<Property>,
}

impl Properties {
    /// Forgets all of them and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.list.clear();
    }

    /// Adds one. Returns whether there was room: see [`MAX_PROPERTIES`] and [`MAX_PROPERTY_BYTES`].
    pub fn push(&mut self, origin: Origin, key: &str, value: &str) -> bool {
        let room = MAX_PROPERTY_BYTES - self.text.len();
        if self.list.len() >= MAX_PROPERTIES || key.len() + value.len() > room {
            return false;
        }
        let key = self.append(key);
        let value = self.append(value);
        self.list.push(Property { origin, key, value });
        true
    }

    fn append(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span { start, end: self.text.len() }
    }

    fn text(&self, span: Span) -> &str {
        &self.text[span.start..span.end]
    }

    /// All of them: origin, key, value.
    pub fn iter(&self) -> impl Iterator<Item = (Origin, &str, &str)> {
        self.list.iter().map(|it| (it.origin, self.text(it.key), self.text(it.value)))
    }

    /// The first value that is not empty, of the properties of `origin` with this key in any case.
    pub fn get(&self, origin: Origin, key: &str) -> Option<&str> {
        self.iter()
            .find(|(from, name, value)| {
                *from == origin && !value.is_empty() && name.eq_ignore_ascii_case(key)
            })
            .map(|(_, _, value)| value)
    }

    /// The value of the attribute with the first of these keys that has one.
    pub fn attribute(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| self.get(Origin::Attribute, key))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl PartialEq for Properties {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Properties {}
