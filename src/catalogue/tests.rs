//! Lists, and what is different in the next one.

use std::path::Path;

use super::*;
use crate::config::Config;

fn channels(text: &str) -> Vec<Arc<Channel>> {
    Config::parse(text, Path::new("channels.toml")).unwrap().channels
}

fn channel(id: &str, more: &str) -> String {
    format!("[[channels]]\nid = '{id}'\nsources = ['testcard://']\n{more}\n")
}

fn names(ids: impl IntoIterator<Item = impl ToString>) -> Vec<String> {
    let mut names: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    names.sort();
    names
}

#[test]
fn the_difference_names_what_is_not_as_it_was() {
    let before = channels(&[channel("a", ""), channel("b", ""), channel("c", "number = 3")].concat());
    let after = channels(&[channel("d", "number = 3"), channel("c", ""), channel("a", "")].concat());
    let before = Arc::new(Snapshot::new(before));
    let after = Arc::new(Snapshot::new(after));
    let difference = after.since(&before);
    assert_eq!(names(&difference.added), ["d"]);
    assert_eq!(names(&difference.changed), ["c"]);
    assert_eq!(names(&difference.removed), ["b"]);
    assert_eq!(
        after.since(&after).count(),
        Changes::default(),
        "to stand elsewhere in the list is no change"
    );
    let ids = |snapshot: &Snapshot| -> Vec<String> {
        snapshot.channels().iter().map(|channel| channel.id.to_string()).collect()
    };
    assert_eq!(
        (ids(&before), ids(&after)),
        (names(["a", "b", "c"]), vec!["d".into(), "c".into(), "a".into()])
    );
    assert_eq!(after.find_by_number(3).map(|channel| channel.id.to_string()), Some("d".to_owned()));
    assert_eq!(after.find("b"), None);
}
