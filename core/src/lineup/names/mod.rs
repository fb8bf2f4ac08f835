//! Names, made equal where they mean the same channel.
//!
//! Two providers write `UK| BBC One FHD` and `BBC ONE (1080p)`. What tells channels apart stays:
//! digits, `+`, `East` and `West`, `+1`. What only tells feeds apart goes: marks of quality,
//! remarks in brackets, the country, which becomes a value of its own. Regions in brackets stay:
//! they have programmes of their own. So do `TV` and `The`: `Metro` and `Metro TV` are two
//! channels. `core/tests/lineup_merge.rs` measures it on 14,000 entries of iptv-org.

mod country;
mod fold;
mod latin;

pub use country::Country;
pub use fold::fold;

use latin::latin;

use super::Entry;

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// The same for all spellings of a name. Empty if the name has no letter and no digit.
    pub key: String,
    /// The country in the name, as in `UK: BBC One` and `BBC One (UK)`.
    pub country: Option<Country>,
}

/// Marks of quality, and of feeds that are the same channel.
const MARKS: [&str; 38] = [
    "sd",
    "hd",
    "fhd",
    "uhd",
    "qhd",
    "hdr",
    "hdr10",
    "4k",
    "8k",
    "fullhd",
    "ultrahd",
    "hevc",
    "avc",
    "h264",
    "h265",
    "x264",
    "x265",
    "hq",
    "lq",
    "raw",
    "sdtv",
    "hdtv",
    "50fps",
    "60fps",
    "25fps",
    "30fps",
    "backup",
    "alt",
    "geoblocked",
    "not24.7",
    "offline",
    "dolby",
    "1080",
    "720",
    "2160",
    "576",
    "480",
    "vip",
];

/// Marks that only count in brackets: as words they may be a part of the name.
const MARKS_IN_BRACKETS: [&str; 4] = ["720", "1080", "vip", "offline"];

impl Name {
    /// Reads a name.
    pub fn of(name: &str) -> Self {
        let (country, rest) = without_prefixes(name);
        let folded = fold(rest);
        let mut reader = Reader { country, words: Vec::new() };
        reader.read(&folded);
        let key = reader.key();
        // A name of nothing but marks is its own.
        let key = if key.is_empty() { compact(&words(&fold(name))) } else { key };
        Self { key, country: reader.country }
    }
}

/// The country of an entry: its `tvg-country`, else of its name, its guide id, or its group.
pub fn country_of(entry: &Entry) -> Option<Country> {
    country_by_name(entry, || Name::of(entry.name()).country)
}

/// The same, where somebody may have read its name already.
pub(super) fn country_by_name(entry: &Entry, of_name: impl FnOnce() -> Option<Country>) -> Option<Country> {
    let of_attribute = || entry.country().and_then(|it| Country::named(it.split([';', ',']).next()?));
    let of_guide_id = || entry.guide_id().and_then(Country::of_guide_id);
    let of_group = || entry.group().and_then(country_of_group);
    of_attribute().or_else(of_name).or_else(of_guide_id).or_else(of_group)
}

/// The country of `UK | Sports`, `|UK| Sports` and `United Kingdom`.
pub fn country_of_group(group: &str) -> Option<Country> {
    Country::named(group).or_else(|| without_prefixes(group).0)
}

/// What may stand between a country and a name. A hyphen needs blanks around it.
const SEPARATORS: [char; 9] = [':', '|', ']', ')', '▎', '┃', '│', '•', '★'];

/// Parts countries and marks in front from a name, as in `UK: x`, `|UK| x`, `[UK] x`, `UK - x` and
/// `VIP | UK | x`.
fn without_prefixes(name: &str) -> (Option<Country>, &str) {
    let (mut country, mut rest) = (None, name);
    while let Some((word, behind)) = prefix(rest) {
        let word = word.to_ascii_lowercase();
        let found = Country::coded(&word).filter(|_| country.is_none());
        if found.is_none() && !is_mark(&word) {
            break;
        }
        country = country.or(found);
        rest = behind;
    }
    (country, rest)
}

/// The word in front that a separator parts from the rest, and the rest. Such words are in
/// capitals: `It: Chapter Two` is no Italian channel.
fn prefix(text: &str) -> Option<(&str, &str)> {
    let opens = |it: char| it.is_whitespace() || "[(|★▎┃│•".contains(it);
    let text = text.trim_start_matches(opens);
    let is_of_word = |it: char| it.is_ascii_uppercase() || it.is_ascii_digit();
    let (word, rest) = text.split_at(text.find(|it| !is_of_word(it)).unwrap_or(text.len()));
    let behind = rest.trim_start();
    let has_blank = rest.len() > behind.len();
    let separates = behind.starts_with(SEPARATORS) || (has_blank && behind.starts_with("- "));
    let separator = |it: char| it == '-' || it.is_whitespace() || SEPARATORS.contains(&it);
    (separates && !word.is_empty()).then(|| (word, behind.trim_start_matches(separator)))
}

/// Collects the words of a name that mean something.
struct Reader<'a> {
    country: Option<Country>,
    words: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, text: &'a str) {
        let mut rest = text;
        while let Some(start) = rest.find(['(', '[']) {
            let (before, inside) = rest.split_at(start);
            self.read_words(before);
            let end = inside.find([')', ']']).unwrap_or(inside.len());
            self.read_brackets(&inside[1..end.max(1)]);
            rest = inside.get(end + 1..).unwrap_or_default();
        }
        self.read_words(rest);
    }

    fn read_words(&mut self, text: &'a str) {
        for word in words(text) {
            // Marks stand behind a name: `4K Travel` is a channel.
            let is_mark = !self.words.is_empty()
                && is_mark(word)
                && !MARKS_IN_BRACKETS.contains(&word)
                && !is_part_of_name(text, word);
            if !is_mark {
                self.words.push(word);
            }
        }
    }

    fn read_brackets(&mut self, text: &'a str) {
        let words = words(text);
        if let [word] = words[..]
            && let Some(country) = Country::coded(word)
            && self.country.is_none_or(|known| known == country)
        {
            self.country = Some(country);
            return;
        }
        // `[Geo-blocked]` and `[Not 24/7]` are several words.
        if !words.iter().all(|word| is_mark(word)) && !is_mark(&compact(&words)) {
            self.words.extend(words);
        }
    }

    fn key(&self) -> String {
        compact(&self.words)
    }
}

fn is_mark(word: &str) -> bool {
    MARKS.contains(&word) || is_resolution(word)
}

/// `CCTV-4K` and `CCTV-8K` are two channels.
fn is_part_of_name(text: &str, word: &str) -> bool {
    matches!(word, "4k" | "8k") && text.contains(&format!("-{word}"))
}

/// `1080p`, `576i`, `720p50` and the like.
fn is_resolution(word: &str) -> bool {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let Some(rest) = word.get(digits..) else { return false };
    let rate = rest.strip_prefix(['p', 'i']).unwrap_or("x");
    (3..=4).contains(&digits) && rate.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words of a folded text: letters and digits, and each `+`.
fn words(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, char) in text.char_indices() {
        if char.is_alphanumeric() || is_mark_of_letter(char) {
            start = start.or(Some(at));
            continue;
        }
        found.extend(start.take().map(|start| &text[start..at]));
        if char == '+' || char == '&' {
            found.push(&text[at..=at]);
        }
    }
    found.extend(start.map(|start| &text[start..]));
    found
}

/// Vowels and accents of scripts in which they are characters of their own (Thai, Hindi, Arabic).
/// Those of Latin letters are gone when a text is folded.
fn is_mark_of_letter(char: char) -> bool {
    unicode_normalization::char::is_combining_mark(char)
}

/// The words in one: `BBC One` and `BBCOne` are the same. Two numbers side by side stay two.
fn compact(words: &[&str]) -> String {
    let mut key = String::new();
    for word in words {
        let is_number = |it: Option<char>| it.is_some_and(|it| it.is_ascii_digit());
        if is_number(key.chars().next_back()) && is_number(word.chars().next()) {
            key.push('.');
        }
        for char in word.chars() {
            match latin(char) {
                Some(text) => key.push_str(text),
                None => key.push(char),
            }
        }
    }
    key
}

#[cfg(test)]
mod tests;
