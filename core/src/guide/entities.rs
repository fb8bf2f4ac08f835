//! Characters that are written as entities: those of XML, by number, and those of HTML, which
//! guides use without declaring them.

use std::borrow::Cow;

use memchr::memchr;

/// No entity has a longer name.
const MAX_NAME: usize = 10;

/// Names of the characters from U+00A0 to U+00FF, in order.
const LATIN: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo",
    "not", "shy", "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot",
    "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",
    "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute",
    "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash",
    "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde",
    "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc",
    "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave",
    "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];

/// The others that stand in titles and descriptions.
const OTHERS: [(&str, char); 36] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("euro", '€'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
    ("hellip", '…'),
    ("bull", '•'),
    ("trade", '™'),
    ("OElig", 'Œ'),
    ("oelig", 'œ'),
    ("Scaron", 'Š'),
    ("scaron", 'š'),
    ("Yuml", 'Ÿ'),
    ("fnof", 'ƒ'),
    ("circ", 'ˆ'),
    ("tilde", '˜'),
    ("dagger", '†'),
    ("Dagger", '‡'),
    ("permil", '‰'),
    ("prime", '′'),
    ("minus", '−'),
    ("rarr", '→'),
    ("larr", '←'),
    ("hearts", '♥'),
    ("infin", '∞'),
];

/// The text with characters for entities. What is none stays as it is written.
pub(super) fn unescape(text: Cow<'_, str>) -> Cow<'_, str> {
    let Some(first) = memchr(b'&', text.as_bytes()) else { return text };
    let mut out = String::with_capacity(text.len());
    let mut rest = &text[..];
    let mut next = Some(first);
    while let Some(at) = next {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(MAX_NAME + 2).position(|byte| byte == b';');
        if let Some((end, char)) = end.and_then(|end| Some((end, character(&rest[1..end])?))) {
            out.push(char);
            rest = &rest[end + 1..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
        next = memchr(b'&', rest.as_bytes());
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let number = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(number.ok()?);
    }
    if let Some((_, char)) = OTHERS.iter().find(|(known, _)| *known == name) {
        return Some(*char);
    }
    let at = LATIN.iter().position(|known| *known == name)?;
    char::from_u32(0xA0 + u32::try_from(at).ok()?)
}

/// Writes a text as XML, without the characters that XML cannot have.
pub(super) fn escape(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A reader would take it for the end of a line.
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(char),
            char if char.is_control() || matches!(char, '\u{FFFE}' | '\u{FFFF}') => out.push(' '),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_become_characters_and_the_rest_stays() {
        let table = [
            ("Tom &amp; Jerry", "Tom & Jerry"),
            ("&eacute;&Eacute;&yuml;&nbsp;&times;", "éÉÿ\u{a0}×"),
            ("&#233;&#xE9;&#Xe9;&#x1F600;", "ééé😀"),
            ("&lt;b&gt; &quot;&apos;", "<b> \"'"),
            ("AT&T & you; &nosuch; &#xD800; &#;", "AT&T & you; &nosuch; &#xD800; &#;"),
            ("&ldquo;Über&rdquo;&hellip;", "“Über”…"),
            ("&é;", "&é;"),
            ("&", "&"),
        ];
        for (text, expected) in table {
            assert_eq!(unescape(text.into()), expected);
        }
    }

    #[test]
    fn what_xml_cannot_have_becomes_a_space() {
        let mut out = String::new();
        escape(&mut out, "A&B <\"C\"> \u{1}\u{0}é\u{FFFF}");
        assert_eq!(out, "A&amp;B &lt;&quot;C&quot;&gt;   é ");
    }
}
