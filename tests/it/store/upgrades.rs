//! Databases of every schema that was released become one of the newest.

use std::path::Path;

use forebay::db::Database;
use forebay::db::listing::{Hidden, RELAYS};

use super::{all, integrity};

#[tokio::test]
async fn every_schema_becomes_the_newest() {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas");
    let mut seen = 0;
    for entry in std::fs::read_dir(schemas).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "db") {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(&path, folder.path().join("forebay.db")).unwrap();
        let database = Database::open(folder.path()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(integrity(&database).await, "ok", "{}", path.display());
        let relays = all(&database).await;
        let told: Vec<_> =
            relays.iter().map(|relay| (relay.id.0, relay.document.spec().id.as_deref())).collect();
        assert_eq!(told, [(1, Some("sport-tv")), (3, Some("news"))], "{}", path.display());
        assert_eq!(relays[1].document.spec().number, Some(7));
        let words = ["news".to_owned()];
        let found = database.read(move |it| RELAYS.search(it, &words, &Hidden::new())).await;
        assert_eq!(found, Ok(vec![3]), "{}", path.display());
        seen += 1;
    }
    assert!(seen > 0);
}
