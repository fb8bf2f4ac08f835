//! What is done with a certificate that was kept.

use forebay_testkit::identity::Identity;
use url::Url;

use super::*;

/// What is in force, and until when nothing is ordered, with this in the cache.
fn restored(kept: Option<&str>, domains: &[&str]) -> (Current, Option<Timestamp>) {
    let folder = tempfile::tempdir().unwrap();
    let config = config::Acme {
        domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
        contact: None,
        directory: Url::parse("https://acme.example/dir").unwrap(),
        root: None,
        cache: folder.path().to_owned(),
    };
    if let Some(pem) = kept {
        Store::open(&config.cache, &config.directory).unwrap().save_certificate(pem.as_bytes()).unwrap();
    }
    let current = Current::default();
    let acme = Acme::new(config, current.clone(), Challenges::default()).unwrap();
    (current, (acme.due > Timestamp::now()).then_some(acme.due))
}

fn is_set(current: &Current) -> bool {
    format!("{current:?}").contains("is_set: true")
}

#[test]
fn one_for_these_names_is_in_force_until_two_thirds_of_its_time_are_over() {
    let made = Identity::new(&["a.example", "b.example"], (2001, 2301));
    let pem = made.key_pem + &made.certificate_pem;
    for domains in [&["b.example"][..], &["a.example", "b.example"]] {
        let (current, due) = restored(Some(&pem), domains);
        assert!(is_set(&current), "{domains:?}");
        assert_eq!(due.unwrap().to_string().split_once('-').unwrap().0, "2201");
    }
}

#[test]
fn one_that_is_nearly_over_is_in_force_and_renewed_at_once() {
    let made = Identity::new(&["a.example"], (2001, 2031));
    let (current, due) = restored(Some(&(made.key_pem + &made.certificate_pem)), &["a.example"]);
    assert_eq!((is_set(&current), due), (true, None));
}

#[test]
fn one_for_other_names_or_none_at_all_is_not() {
    let made = Identity::new(&["a.example"], (2001, 2301));
    let pem = made.key_pem + &made.certificate_pem;
    for (kept, domains) in [
        (Some(&pem[..]), &["a.example", "b.example"][..]),
        (Some(&pem[..pem.len() / 2]), &["a.example"]),
        (None, &["a.example"]),
    ] {
        let (current, due) = restored(kept, domains);
        assert_eq!((is_set(&current), due), (false, None), "{domains:?}");
    }
}
