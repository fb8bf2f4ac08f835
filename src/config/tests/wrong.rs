//! Wrong files, but for their channels, each with its faults: the places and the messages whole, so
//! that a new wording is a decision.

/// The text of a file, and its messages without the path.
pub(super) const WRONG: &[(&str, &[&str])] = &[
    (
        r#"[server]
lisen = "0.0.0.0:8080""#,
        &[
            r#"2:1: unknown key "lisen", expected one of listen, public_url, trusted_proxies, proxy_header, admin_from, admin_hosts, allow_private_sources, shutdown_grace, max_connections, max_connections_per_address, max_viewers_per_address, max_opening_per_address, max_requests_per_address, max_bandwidth, delivery, tls; did you mean "listen"?"#,
        ],
    ),
    ("server = 5", &["1:10: expected a table, found 5"]),
    ("server = []", &["1:10: expected a table, found a list"]),
    (
        "[sever]",
        &[
            r#"1:2: unknown key "sever", expected one of server, auth, oidc, tokens, hdhomerun, log, data, backups, stream, hls, films, resolver, providers, playlists, guides, pushes, transcode, profiles, webhooks, channels; did you mean "server"?"#,
        ],
    ),
    (
        r#"[[outputs]]
id = "acme""#,
        &[
            r#"1:3: unknown key "outputs", expected one of server, auth, oidc, tokens, hdhomerun, log, data, backups, stream, hls, films, resolver, providers, playlists, guides, pushes, transcode, profiles, webhooks, channels"#,
        ],
    ),
    ("[server", &["1:8: not TOML: unclosed table, expected `]`"]),
    (
        r#"[server]
listen = "0.0.0.0:8080"#,
        &[r#"2:23: not TOML: invalid basic string, expected `"`"#],
    ),
    (
        "[server]
listen =",
        &[r#"2:9: a text needs quotes: key = "value""#],
    ),
    (
        "[server]
listen = joe:hunter2@h",
        &[r#"2:10: a text needs quotes: key = "value""#],
    ),
    (
        r#"[server]
listen = "a"
listen = "b""#,
        &[r#"3:1: "listen" stands here a second time"#],
    ),
    (
        "[server]
[server]",
        &[r#"2:2: "server" stands here a second time"#],
    ),
    (
        "[server]
listen = 8080",
        &["2:10: expected a text in quotes, found 8080"],
    ),
    (
        "[server]
listen = 2026-01-31",
        &["2:10: expected a text in quotes, found a date"],
    ),
    (
        r#"[server]
listen = "localhost:8080""#,
        &[
            r#"2:10: listen: "localhost:8080" is not an IP address and a port such as "0.0.0.0:8080" or "[::]:8080""#,
        ],
    ),
    (
        r#"[server]
public_url = "tv.example""#,
        &["2:14: public_url: not an address that begins with http:// or https://"],
    ),
    (
        r#"[server]
public_url = "ftp://tv.example""#,
        &["2:14: public_url: not an address that begins with http:// or https://"],
    ),
    (
        r#"[server]
public_url = "https://joe:hunter2@tv.example""#,
        &["2:14: public_url: must not hold a user or a password: it is shown to every viewer"],
    ),
    (
        r#"[server]
public_url = "https://tv.example/?a=b""#,
        &[r##"2:14: public_url: must end with the path, without "?" or "#""##],
    ),
    (
        r#"[server]
trusted_proxies = ["127.0.0.1", "proxy", "10.0.0.0/33"]"#,
        &[
            r#"2:33: trusted_proxies: "proxy" is not an address or a network such as "127.0.0.1" or "10.0.0.0/8""#,
            r#"2:42: trusted_proxies: "10.0.0.0/33" is not an address or a network such as "127.0.0.1" or "10.0.0.0/8""#,
        ],
    ),
    (
        r#"[server]
trusted_proxies = "127.0.0.1""#,
        &["2:19: expected a list in [ ], found a text"],
    ),
    (
        "[server]
shutdown_grace = 5",
        &[r#"2:18: expected a duration such as "30s", found 5"#],
    ),
    (
        r#"[server]
shutdown_grace = "5""#,
        &[r#"2:18: shutdown_grace: "5" is not a duration such as "500ms", "30s" or "5m""#],
    ),
    (
        r#"[server]
shutdown_grace = "0s""#,
        &["2:18: shutdown_grace: 0s is out of range, expected 100ms to 5m"],
    ),
    (
        r#"[log]
level = "inof""#,
        &[
            r#"2:9: level: "inof" is not a level, expected off, error, warn, info, debug or trace; did you mean "info"?"#,
        ],
    ),
    (
        r#"[log]
level = "forebay=loud""#,
        &[
            r#"2:9: level: "forebay=loud" is not a filter such as "info" or "info,forebay_relay::input=debug""#,
        ],
    ),
    (
        r#"[log]
format = "jsn""#,
        &[r#"2:10: format: "jsn" is unknown, expected auto, text or json; did you mean "json"?"#],
    ),
    (
        r#"[log]
file = """#,
        &[r#"2:8: file: "" names no file"#],
    ),
    (
        r#"[log]
file = "/""#,
        &[r#"2:8: file: "/" names no file"#],
    ),
    (
        r#"[log]
file = "src""#,
        &[r#"2:8: file: "src" is a folder"#],
    ),
    (
        "[log]
file_keep = 0",
        &["2:13: file_keep: 0 is out of range, expected 1 to 3650"],
    ),
    (
        "[log]
file_keep = 1.5",
        &["2:13: expected a whole number, found 1.5"],
    ),
    (
        r#"[stream]
idle_timeout = "25h"
connect_timeout = "2m"
stall_timeout = "10ms"
start_timeout = "soon"
buffer = "11m"
buffer_bytes = "512 KiB"
burst = "61s"
viewer_timeout = "1h"
timeshift = "30s"
timeshift_bytes = "1 MiB""#,
        &[
            "2:16: idle_timeout: 1day 1h is out of range, expected 100ms to 1day",
            "3:19: connect_timeout: 2m is out of range, expected 100ms to 1m",
            "4:17: stall_timeout: 10ms is out of range, expected 100ms to 1m",
            r#"5:17: start_timeout: "soon" is not a duration such as "500ms", "30s" or "5m""#,
            "6:10: buffer: 11m is out of range, expected 1s to 10m",
            "7:16: buffer_bytes: 512 KiB is out of range, expected 1 MiB to 4 GiB",
            "8:9: burst: 1m 1s is out of range, expected 100ms to 1m",
            "9:18: viewer_timeout: 1h is out of range, expected 100ms to 10m",
            "10:13: timeshift: 30s is out of range, expected 1m to 7days",
            "11:19: timeshift_bytes: 1 MiB is out of range, expected 16 MiB to 4096 GiB",
        ],
    ),
    (
        "[stream]
buffer_bytes = -1",
        &["2:16: buffer_bytes: -1 is less than nothing"],
    ),
    (
        r#"[stream]
buffer_bytes = "16 M""#,
        &[r#"2:16: buffer_bytes: "16 M" is not a size such as "512 KiB", "16 MiB" or "16MB""#],
    ),
    (
        "[stream]
buffer_bytes = true",
        &[r#"2:16: expected a size such as "16 MiB", or a number of bytes, found true"#],
    ),
    (
        r#"[stream]
buffer = "2s""#,
        &["2:10: burst (2s) must be shorter than buffer (2s)"],
    ),
    (
        r#"[stream]
burst = "12s""#,
        &["2:9: burst (12s) must be shorter than buffer (12s)"],
    ),
    (
        r#"[stream]
segment = "4s""#,
        &[
            r#"2:1: unknown key "segment", expected one of idle_timeout, connect_timeout, stall_timeout, start_timeout, buffer, buffer_bytes, burst, read_ahead, viewer_timeout, max_viewers, timeshift, timeshift_bytes, hedge, return_after, keep_alive, slate, slate_urls, health"#,
        ],
    ),
];
