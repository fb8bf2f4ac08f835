//! Names for the sources of a channel that come from a text, where sources have none.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use forebay_core::failover::SourceId;

use super::Source;

/// Makes the ids of this process. It has a key of its own, so that nobody who sees an id can try
/// out passwords on it.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Names the sources of a list that takes this `program` of each, so that the same source has the
/// same id in every list of the channel. Of several that are the same, the first is the first.
pub(super) fn name(program: Option<u16>, sources: &mut [Source]) {
    for at in 0..sources.len() {
        let (named, rest) = sources.split_at_mut(at);
        // Another programme of a stream is another source.
        let hash = HASHER.hash_one((program, rest[0].request()));
        let is_taken = |id: SourceId| named.iter().any(|source| source.id == id);
        // The next free number: equal sources in one list are told apart by their order.
        let mut ids = (0..).map(|step| SourceId(hash.wrapping_add(step)));
        rest[0].id = ids.find(|&id| !is_taken(id)).expect("fewer than 2^64 sources");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    fn ids(sources: &str) -> Vec<SourceId> {
        let text = format!("[[channels]]\nid = \"one\"\nsources = {sources}\n");
        Fixture::parse(&text).channels[0].source_ids()
    }

    #[test]
    fn a_source_is_known_by_what_it_asks_for() {
        let [a, b, again] = ids(r#"["http://h/a", "http://h/b", "http://h/a"]"#)[..] else { panic!() };
        assert!(a != b && b != again && a != again);
        for (sources, expected) in [
            (r#"["http://h/b", "http://h/a", "http://h/a"]"#, vec![b, a, again]),
            (r#"["http://h/a"]"#, vec![a]),
            // What else is set holds from the next opening on.
            (r#"[{ url = "http://h/a", max_bitrate = "5 Mbit/s", variant = "best" }]"#, vec![a]),
        ] {
            assert_eq!(ids(sources), expected, "{sources}");
        }
        for other in [
            r#"{ url = "http://h/a", user_agent = "VLC" }"#,
            r#"{ url = "http://h/a", headers = { X = "1" } }"#,
            r#"{ url = "http://h/a", tls = "unverified" }"#,
            r#"{ url = "http://h/a", proxy = "none" }"#,
            r#""http://user:secret@h/a""#,
        ] {
            assert!(![a, b, again].contains(&ids(&format!("[{other}]"))[0]), "{other}");
        }
        assert_ne!(ids("[\"http://h/a\"]\nprogram = 7"), [a]);
    }
}
