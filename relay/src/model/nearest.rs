//! Guesses what a misspelt word was to be.

/// The known word nearest to `word`, if it is near enough for a slip of the fingers.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // Keys are in small letters; capitals alone are no slip to count.
    let word = word.to_lowercase();
    known
        .iter()
        .map(|&candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .min_by_key(|&(distance, _)| distance)
        // One slip in three letters: more would guess at random among short keys.
        .filter(|&(distance, candidate)| distance * 3 <= candidate.len().max(word.len()))
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "name"?`, or nothing.
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    nearest(word, known).map_or_else(String::new, |guess| format!("; did you mean \"{guess}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = ["name", "number", "group", "id"];
        for (word, guess) in [
            ("nmae", Some("name")),
            ("Name", Some("name")),
            ("numbr", Some("number")),
            ("logo", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, &known), guess, "{word}");
        }
    }
}
