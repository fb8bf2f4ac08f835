//! Text without differences that nobody means.

use unicode_normalization::UnicodeNormalization;

/// The text in small letters, without accents and with ordinary characters for those that only look
/// different, such as `ᴴᴰ`, full-width letters and ligatures. Blanks become one, apostrophes go.
///
/// Only accents of the European scripts go: in others they are vowels.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    if text.is_ascii() {
        text.bytes().for_each(|byte| push(&mut folded, char::from(byte.to_ascii_lowercase())));
    } else {
        let is_accent = |it: &char| ('\u{300}'..='\u{36f}').contains(it);
        for char in text.nfkd().filter(|it| !is_accent(it)).flat_map(char::to_lowercase) {
            match replacement(char) {
                Some(text) => folded.push_str(text),
                None => push(&mut folded, char),
            }
        }
        folded = folded.nfc().collect();
    }
    folded.truncate(folded.trim_end().len());
    folded
}

fn push(folded: &mut String, char: char) {
    if char.is_whitespace() {
        if !folded.is_empty() && !folded.ends_with(' ') {
            folded.push(' ');
        }
    } else if !is_ignored(char) {
        folded.push(char);
    }
}

/// Apostrophes, and characters that cannot be seen.
fn is_ignored(char: char) -> bool {
    matches!(
        char,
        '\'' | '’' | '‘' | '`' | '´' | '\u{ad}' | '\u{200b}'
            ..='\u{200f}' | '\u{feff}' | '\u{fe0e}' | '\u{fe0f}' | '\u{640}'
    ) || char.is_control()
}

/// Letters that no normalisation takes apart.
fn replacement(char: char) -> Option<&'static str> {
    Some(match char {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ı' => "i",
        'ə' => "e",
        '＋' => "+",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_is_the_same() {
        let table = [
            ("BBC  One ", "bbc one"),
            ("BBC One ᴴᴰ", "bbc one hd"),
            ("Télé Québec", "tele quebec"),
            ("Te\u{301}le\u{301}", "tele"),
            ("TRT TÜRK", "trt turk"),
            ("TURKİYE", "turkiye"),
            ("Straße", "strasse"),
            ("ＣＡＮＡＬ＋", "canal+"),
            ("Paramount’s", "paramounts"),
            ("Первый канал", "первыи канал"),
            ("ช่อง 3", "ช่อง 3"),
            ("央视\u{200b}", "央视"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(fold(text), expected, "{text}");
            assert_eq!(fold(&fold(text)), fold(text), "twice: {text}");
        }
    }
}
