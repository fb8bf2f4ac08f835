//! Values of JSON as panels send them: numbers as texts, texts as numbers, `null`, `false` and `[]`
//! for nothing.

use serde_json::{Map, Value};

/// A member as text; numbers too. Empty for everything else.
pub(super) fn text(object: &Map<String, Value>, key: &str) -> String {
    match object.get(key) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// A member as whole number: `7`, `"7"`, `" 7 "`, `7.0`.
pub(super) fn number(object: &Map<String, Value>, key: &str) -> Option<i64> {
    let text = text(object, key);
    let whole = match text.split_once('.') {
        Some((whole, rest)) if rest.bytes().all(|it| it == b'0') => whole,
        _ => &text,
    };
    whole.parse().ok()
}

/// A member as yes or no: `1`, `"1"`, `true`, `"true"`; everything else is no.
pub(super) fn flag(object: &Map<String, Value>, key: &str) -> bool {
    match object.get(key) {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(text)) => matches!(text.trim(), "1" | "true" | "True" | "yes"),
        Some(Value::Number(number)) => number.as_f64().is_some_and(|it| it > 0.0),
        _ => false,
    }
}

/// The object of these bytes. Bad characters are replaced.
pub(super) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_str(&String::from_utf8_lossy(bytes)) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_any_type() {
        let object = object(
            br#"{"a":7,"b":"7","c":" 7 ","d":7.0,"e":null,"f":[],"g":true,"h":"x","i":"True","j":-1}"#,
        )
        .expect("it is one");
        let numbers: Vec<_> =
            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map(|key| number(&object, key)).to_vec();
        assert_eq!(numbers, [Some(7), Some(7), Some(7), Some(7), None, None, None, None, None, Some(-1)]);
        let flags = ["a", "b", "e", "f", "g", "h", "i", "j", "none"].map(|key| flag(&object, key));
        assert_eq!(flags, [true, false, false, false, true, false, true, false, false]);
        assert_eq!(text(&object, "c"), "7");
    }
}
