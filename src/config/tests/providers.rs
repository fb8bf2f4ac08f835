//! Providers, and the keys about what happens when a source fails: what is good, what is wrong and
//! where, what is doubtful.

use std::fmt::Write;

use forebay_relay::model::{Access, Policy, ProxyChoice, Scope, Trust};

use super::super::*;
use super::parse;

const CHANNEL: &str = "[[channels]]\nid = 'a'\n";

fn provider(text: &str) -> Result<Provider, String> {
    let text = format!(
        "[[providers]]\nid = 'acme'\n{text}\n{CHANNEL}sources = [{{ url = 'http://h/', provider = 'acme' }}]"
    );
    let config = parse(&text)?;
    assert_eq!(config.warnings(), [""; 0]);
    let [provider] = &config.providers[..] else { panic!("{config:?}") };
    Ok(provider.clone())
}

#[test]
fn a_provider_says_how_many_connections_it_allows() {
    let id: ProviderId = "acme".parse().unwrap();
    let least = Provider { id: id.clone(), max_connections: 3, settle: Duration::ZERO, max_probes: 1 };
    assert_eq!(provider("max_connections = 3"), Ok(least));
    let all = Provider { id, max_connections: 1000, settle: Duration::from_mins(1), max_probes: 0 };
    assert_eq!(provider("max_connections = 1000\nsettle = '1m'\nmax_probes = 0"), Ok(all));
}

#[test]
fn the_defaults_in_the_documentation_are_those_of_a_provider() {
    let docs = include_str!("../../../docs/config.md");
    let section = docs.split_once("## `[[providers]]`").unwrap().1.split("\n## ").next().unwrap();
    let mut text = "max_connections = 3".to_owned();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        if ["settle", "max_probes"].contains(&cells[1]) {
            write!(text, "\n{} = {}", cells[1], cells[3]).unwrap();
        }
    }
    assert_eq!(text.lines().count(), 3, "{text}");
    assert_eq!(provider(&text), provider("max_connections = 3"));
}

#[test]
fn a_source_has_the_user_agent_of_its_provider_unless_it_has_its_own() {
    let config = parse(
        "[[providers]]\nid = 'acme'\nmax_connections = 1\nuser_agent = 'VLC/3'
        [[channels]]\nid = 'a'\nsources = [
            'http://h/1',
            { url = 'http://h/2', provider = 'acme' },
            { url = 'http://h/3', provider = 'acme', user_agent = 'own' },
            { url = 'testcard://', provider = 'acme' },
        ]",
    )
    .unwrap();
    let sources: Vec<_> = config.channels[0]
        .sources
        .iter()
        .map(|source| (source.provider.as_ref().map(ProviderId::as_str), source.user_agent.as_deref()))
        .collect();
    let acme = Some("acme");
    assert_eq!(sources, [(None, None), (acme, Some("VLC/3")), (acme, Some("own")), (acme, None)]);
}

#[test]
fn a_source_is_reached_as_its_provider_says_unless_it_says_otherwise() {
    let config = parse(
        "[[providers]]\nid = 'acme'\nmax_connections = 1\nallow_private = true\ntls = 'unverified'\nproxy = 'http://p'
        [[channels]]\nid = 'a'\nsources = [
            'http://h/1',
            { url = 'http://h/2', allow_private = true },
            { url = 'http://h/3', provider = 'acme' },
            { url = 'http://h/4', provider = 'acme', allow_private = false, tls = 'verify', proxy = 'none' },
        ]",
    )
    .unwrap();
    let access: Vec<_> = config.channels[0].sources.iter().map(|source| source.access.clone()).collect();
    let defaults = Access::default();
    let acme = Access {
        scope: Scope::Everywhere,
        trust: Trust::Unverified,
        proxy: ProxyChoice::Proxy("http://p".parse().unwrap()),
    };
    let none = Access { proxy: ProxyChoice::None, ..defaults.clone() };
    assert_eq!(access, [defaults.clone(), Access { scope: Scope::Everywhere, ..defaults }, acme, none]);
}

#[test]
fn what_all_channels_have_a_channel_can_have_differently() {
    let config = parse(
        "[stream]\nhedge = '2s'\nreturn_after = 'off'\nkeep_alive = false\nslate = true\nslate_urls = ['*/limit*']
        [[channels]]\nid = 'a'\nsources = ['http://h/']
        [[channels]]\nid = 'b'\nsources = ['http://h/']
        hedge = 'off'\nreturn_after = '1h'\nkeep_alive = true\nslate = false\nslate_urls = ['*/x', '*/y']
        [[channels]]\nid = 'c'\nsources = ['testcard://']",
    )
    .unwrap();
    let [a, b, c] = &config.channels[..] else { panic!("{config:?}") };
    let shown = |policy: &Policy| (policy.hedge, policy.return_after, policy.keep_alive, policy.slate);
    assert_eq!(shown(&a.policy), (Some(Duration::from_secs(2)), None, false, true));
    assert_eq!(shown(&b.policy), (None, Some(Duration::from_hours(1)), true, false));
    assert_eq!([a, b, c].map(|channel| channel.slate_urls.len()), [1, 2, 0]);
    assert_eq!(config.warnings(), [""; 0], "nobody said of c that it had patterns");
}

#[test]
fn wrong_values_are_refused_with_their_places() {
    for (text, messages) in [
        (
            "[[providers]]\nmax_connections = 1",
            &["1:1: this provider has no id"][..],
        ),
        (
            "[[providers]]\nid = 'acme'",
            &["1:1: provider \"acme\" has no max_connections: how many does the account allow?"],
        ),
        (
            "[[providers]]\nid = 'http://joe:hunter2@h/'",
            &[
                "1:1: this provider has no max_connections: how many does the account allow?",
                "2:6: id: must not contain ':'; use A-Z a-z 0-9 . _ -",
            ],
        ),
        (
            "[[providers]]
id = 'acme'
max_connections = 0
user_agent = ''
settle = '61s'
max_probes = 11
[[providers]]
id = 'acme'
max_connections = 1001
max_probes = -1",
            &[
                "3:19: max_connections: 0 is out of range, expected 1 to 1000",
                "4:14: user_agent: must be one line of plain ASCII characters",
                "5:10: settle: 1m 1s is out of range, expected 0s to 1m",
                "6:14: max_probes: 11 is out of range, expected 0 to 10",
                "8:6: the provider \"acme\" is taken: line 2 uses it first",
                "9:19: max_connections: 1001 is out of range, expected 1 to 1000",
                "10:14: max_probes: -1 is out of range, expected 0 to 10",
            ],
        ),
        (
            "[[providers]]\nid = 'acme'\nmax_connections = 1\ntls = 'off'\nproxy = 'https://joe:hunter2@h'
[[channels]]\nid = 'a'\nsources = [{ url = 'http://h/', tls = '', proxy = 'joe:hunter2@h' }]",
            &[
                "4:7: tls: must be \"verify\" or \"unverified\"",
                "5:9: proxy: must begin with http:// or socks5h://, or be \"none\"",
                "8:39: tls: must be \"verify\" or \"unverified\"",
                "8:51: proxy: must begin with http:// or socks5h://, or be \"none\"",
            ],
        ),
        (
            "[[providers]]\nid = 'acme'\nmax_conections = 1",
            &[
                "3:1: unknown key \"max_conections\", expected one of id, max_connections, user_agent, settle, max_probes, allow_private, tls, proxy; did you mean \"max_connections\"?",
            ],
        ),
        (
            "[[channels]]
id = 'a'
sources = [{ url = 'http://h/', provider = 'acne' }, { url = 'http://h/2', provider = 'http://joe:hunter2@h/' }]
[[providers]]
id = 'acme'
max_connections = 1",
            &[
                "3:44: provider: there is no \"acne\" in [[providers]]; did you mean \"acme\"?",
                "3:87: provider: must not contain ':'; use A-Z a-z 0-9 . _ -",
            ],
        ),
        (
            "[stream]
hedge = '99ms'
return_after = 'never'
slate_urls = ['limit', '*', 'http://joe:hunter2@h/ x*']",
            &[
                "2:9: hedge: 99ms is out of range, expected 100ms to 1m, or \"off\"",
                "3:16: return_after: \"never\" is not a duration such as \"500ms\", \"30s\" or \"5m\", or \"off\"",
                "4:15: slate_urls: must begin with http://, https:// or *, for it is a pattern of whole addresses",
                "4:24: slate_urls: needs a letter or a digit of the address: it would match the channel's own, too",
                "4:29: slate_urls: must not contain ' '; write what is no plain ASCII as addresses do (%20)",
            ],
        ),
        ("[stream]\nkeep_alive = 'yes'", &["2:14: expected true or false, found a text"]),
        ("[stream]\nslate = 1", &["2:9: expected true or false, found 1"]),
        ("[stream]\nidle_timeout = 'off'", &["2:16: idle_timeout: \"off\" is not a duration such as \"500ms\", \"30s\" or \"5m\""]),
        ("[server]\nadmin_from = ['me']", &["2:15: admin_from: \"me\" is not an address or a network such as \"127.0.0.1\" or \"10.0.0.0/8\""]),
        (
            "[[channels]]\nid = 'a'\npriority = 1001\nhedge = '2m'\nsources = ['testcard://']",
            &[
                "3:12: priority: 1001 is out of range, expected -1000 to 1000",
                "4:9: hedge: 2m is out of range, expected 100ms to 1m, or \"off\"",
            ],
        ),
    ] {
        let expected: Vec<_> = messages.iter().map(|message| format!("channels.toml:{message}")).collect();
        let message = parse(text).unwrap_err();
        assert_eq!(message, expected.join("\n"), "{text}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let pattern = |at: usize| format!("'*/{at}'");
    let many = (0..33).map(pattern).collect::<Vec<_>>().join(",");
    let error = parse(&format!("[stream]\nslate_urls = [{many}]")).unwrap_err();
    assert_eq!(error, "channels.toml:2:14: slate_urls: more than 32");
}

#[test]
fn doubtful_things_are_warned_of() {
    for (text, warning) in [
        (
            format!("[[providers]]\nid = 'acme'\nmax_connections = 1\n{CHANNEL}sources = ['http://h/']"),
            "provider \"acme\": no source uses it",
        ),
        (
            format!("{CHANNEL}slate_urls = ['*/limit']\nsources = ['testcard://']"),
            "channel \"a\": none of its sources is http, so its slate_urls have no use",
        ),
        (
            format!(
                "[[providers]]\nid = 'acme'\nmax_connections = 1\nuser_agent = 'x'
                {CHANNEL}sources = [{{ url = 'testcard://', provider = 'acme' }}]"
            ),
            "channel \"a\": source 1 is not http, and yet counts as a connection to provider \"acme\"",
        ),
    ] {
        assert_eq!(parse(&text).unwrap().warnings(), [warning], "{text}");
    }
}
