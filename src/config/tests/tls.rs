//! `[server.tls]`: what is good, what is wrong and where, what is doubtful.

use forebay_testkit::identity::Identity as Made;
use tempfile::TempDir;

use super::super::*;
use super::parse;

/// A folder with `good.pem` and `good-key.pem`, and others that are not.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let good = Made::local();
    write("good.pem", &good.certificate_pem);
    write("good-key.pem", &good.key_pem);
    write("both.pem", &format!("{}{}", good.key_pem, good.certificate_pem));
    write("other-key.pem", &Made::local().key_pem);
    write("empty.pem", "");
    write("damaged.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    write("open.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    write(
        "encrypted-key.pem",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\naHVudGVyMg==\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    for (name, years) in [("expired", (2001, 2002)), ("future", (3001, 3002))] {
        let made = Made::new(&["tv.example"], years);
        write(&format!("{name}.pem"), &made.certificate_pem);
        write(&format!("{name}-key.pem"), &made.key_pem);
    }
    folder
}

fn read(folder: &TempDir, text: &str) -> Result<Config, String> {
    Config::parse(text, &folder.path().join("channels.toml"))
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn files_are_found_beside_the_configuration() {
    let folder = folder();
    let text = "[server.tls]\nlisten = '127.0.0.1:443'\ncertificate = 'good.pem'\nkey = 'good-key.pem'";
    let tls = read(&folder, text).unwrap().server.tls.unwrap();
    let [certificate, key] = ["good.pem", "good-key.pem"].map(|name| folder.path().join(name));
    let identity = Identity::Files { certificate, key };
    assert_eq!(tls, Tls { listen: "127.0.0.1:443".parse().unwrap(), identity });

    let tls =
        read(&folder, "[server]\ntls = { certificate = 'both.pem', key = 'both.pem' }").unwrap().server.tls;
    assert_eq!(tls.unwrap().listen.to_string(), "0.0.0.0:8443");
}

#[test]
fn files_that_are_no_pair_are_wrong() {
    let folder = folder();
    for (certificate, key, message) in [
        ("none.pem", "good-key.pem", "2:15: certificate: cannot read none.pem: No such file or directory"),
        (".", "good-key.pem", "2:15: certificate: cannot read .: it is no file"),
        ("good.pem", "none.pem", "3:7: key: cannot read none.pem: No such file or directory"),
        ("good-key.pem", "good-key.pem", "2:15: certificate: holds no \"BEGIN CERTIFICATE\""),
        ("empty.pem", "good-key.pem", "2:15: certificate: holds no \"BEGIN CERTIFICATE\""),
        ("damaged.pem", "good-key.pem", "2:15: certificate: is damaged"),
        ("open.pem", "good-key.pem", "2:15: certificate: is no whole PEM file"),
        (
            "good.pem",
            "good.pem",
            "3:7: key: holds no \"BEGIN PRIVATE KEY\"; one that is encrypted has to be decrypted",
        ),
        (
            "good.pem",
            "encrypted-key.pem",
            "3:7: key: holds no \"BEGIN PRIVATE KEY\"; one that is encrypted has to be decrypted",
        ),
        (
            "good.pem",
            "other-key.pem",
            "3:7: key: does not fit the certificate, which has to be the first in its file",
        ),
    ] {
        let text = format!("[server.tls]\ncertificate = '{certificate}'\nkey = '{key}'");
        let error = read(&folder, &text).unwrap_err();
        assert_eq!(error, format!("channels.toml:{message}"), "{certificate}, {key}");
        assert!(!error.contains("hunter2") && !error.contains("aHVudGVyMg"), "{error}");
    }
}

#[test]
fn a_certificate_at_the_wrong_time_is_doubtful() {
    let folder = folder();
    for (name, warning) in [
        ("expired", "the certificate expired at 2002-01-01T00:00:00Z: players refuse it"),
        ("future", "the certificate is not valid before 3001-01-01T00:00:00Z: players refuse it"),
    ] {
        let text = format!(
            "[server.tls]\ncertificate = '{name}.pem'\nkey = '{name}-key.pem'
            [[channels]]\nid = 'a'\nsources = ['testcard://']"
        );
        assert_eq!(read(&folder, &text).unwrap().warnings(), [format!("server.tls: {warning}")]);
    }
}

#[test]
fn an_authority_needs_little() {
    let text = "[server.tls]\nacme = { domains = ['TV.example', 'bücher.example'], terms_agreed = true }";
    let config = Config::parse(text, Path::new("/etc/forebay/channels.toml")).unwrap();
    let acme = Acme {
        domains: vec!["tv.example".into(), "xn--bcher-kva.example".into()],
        contact: None,
        directory: "https://acme-v02.api.letsencrypt.org/directory".parse().unwrap(),
        root: None,
        cache: "/etc/forebay/acme".into(),
    };
    assert_eq!(config.server.tls.unwrap().identity, Identity::Acme(acme));
}

#[test]
fn an_authority_may_be_described() {
    let folder = folder();
    let text = "[server.tls.acme]
        domains = ['tv.example']
        contact = 'mailto:admin@tv.example'
        directory = 'https://ca.lan:9000/acme/acme/directory'
        root = 'good.pem'
        cache = '/var/lib/forebay/acme'
        terms_agreed = true";
    let acme = Acme {
        domains: vec!["tv.example".into()],
        contact: Some("mailto:admin@tv.example".into()),
        directory: "https://ca.lan:9000/acme/acme/directory".parse().unwrap(),
        root: Some(folder.path().join("good.pem")),
        cache: "/var/lib/forebay/acme".into(),
    };
    assert_eq!(read(&folder, text).unwrap().server.tls.unwrap().identity, Identity::Acme(acme));
    let error = read(&folder, &text.replace("good.pem", "damaged.pem")).unwrap_err();
    assert_eq!(error, "channels.toml:5:16: root: damaged.pem holds 0 certificates and 1 that cannot be read");
}

/// The text of a file, and its messages without the path.
const WRONG: &[(&str, &[&str])] = &[
    ("[server]\ntls = 1", &["2:7: expected a table, found 1"]),
    (
        "[server.tls]\ncert = 'a.pem'",
        &["2:1: unknown key \"cert\", expected one of listen, certificate, key, acme"],
    ),
    (
        "[server.tls]\ncertificat = 'a.pem'",
        &[
            "2:1: unknown key \"certificat\", expected one of listen, certificate, key, acme; did you mean \"certificate\"?",
        ],
    ),
    ("[server.tls]\nlisten = '0.0.0.0:1'", &["1:1: tls: needs certificate and key, or acme"]),
    ("[server.tls]\ncertificate = 'a.pem'", &["2:15: certificate: its key is missing; add key = \"….pem\""]),
    ("[server.tls]\nkey = 'a.pem'", &["2:7: key: its certificate is missing; add certificate = \"….pem\""]),
    (
        "[server.tls]\nkey = 'a.pem'\nacme = { domains = ['a.b'], terms_agreed = true }",
        &["3:8: acme: stands beside certificate or key; only one of both can be"],
    ),
    (
        "[server.tls]\nlisten = 'here'\nkey = 'a.pem'\ncertificate = 'b.pem'",
        &["2:10: listen: \"here\" is not an IP address and a port such as \"0.0.0.0:8080\" or \"[::]:8080\""],
    ),
    (
        "[server.tls.acme]\nnames = ['a.b']",
        &[
            "2:1: unknown key \"names\", expected one of domains, contact, directory, root, cache, terms_agreed",
        ],
    ),
    ("[server.tls.acme]\nterms_agreed = 'yes'", &["2:16: expected true or false, found a text"]),
    (
        "[server.tls.acme]\ndomains = []\nterms_agreed = false",
        &[
            "2:11: domains: needs the names under which viewers reach it, as [\"tv.example\"]",
            "3:16: terms_agreed: must be true; read the authority's terms of service first",
        ],
    ),
    (
        "[server.tls.acme]",
        &[
            "1:1: domains: needs the names under which viewers reach it, as [\"tv.example\"]",
            "1:1: terms_agreed: must be true; read the authority's terms of service first",
        ],
    ),
    (
        "[server.tls.acme]\nterms_agreed = true\ndomains = ['*.tv.example', '192.0.2.1',\n'a b', 'tv.example', 'TV.example']",
        &[
            "3:12: domains: \"*.tv.example\": an authority signs a wildcard by DNS only; list the names themselves",
            "3:28: domains: \"192.0.2.1\" is not a name such as \"tv.example\"",
            "4:1: domains: \"a b\" is not a name such as \"tv.example\"",
            "4:22: domains: \"tv.example\" stands here a second time",
        ],
    ),
    (
        "[server.tls.acme]\nterms_agreed = true\ndomains = ['tv.example']\ncontact = 'admin@tv.example'\ndirectory = 'http://ca.lan/'\nroot = 'none.pem'\ncache = 'Cargo.toml'",
        &[
            "4:11: contact: not one mail address such as \"mailto:admin@tv.example\"",
            "5:13: directory: not an address that begins with https://",
            "6:8: root: cannot read none.pem: No such file or directory",
            "7:9: cache: \"Cargo.toml\" is no folder",
        ],
    ),
];

#[test]
fn wrong_sections_say_what_is_wrong_and_where() {
    for (text, messages) in WRONG {
        let expected: Vec<String> =
            messages.iter().map(|message| format!("channels.toml:{message}")).collect();
        assert_eq!(parse(text).unwrap_err(), expected.join("\n"), "{text}");
    }
}
