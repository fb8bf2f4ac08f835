//! Wrong channels and sources, each with its faults, whole as in `wrong`.

/// The text of a file, and its messages without the path.
pub(super) const WRONG: &[(&str, &[&str])] = &[
    (
        r#"[channels]
id = "a""#,
        &["1:1: expected a list in [ ], found a table"],
    ),
    (
        r#"[[channels]]
nmae = "a""#,
        &[
            r#"2:1: unknown key "nmae", expected one of id, name, number, group, logo, tvg_id, program, priority, sources, idle_timeout, connect_timeout, stall_timeout, start_timeout, buffer, buffer_bytes, burst, read_ahead, viewer_timeout, max_viewers, timeshift, timeshift_bytes, hedge, return_after, keep_alive, slate, slate_urls, health; did you mean "name"?"#,
        ],
    ),
    (
        r#"[[channels]]
name = "a""#,
        &["1:1: this channel has no id", "1:1: this channel has no sources"],
    ),
    (
        r#"[[channels]]
id = "a""#,
        &[r#"1:1: channel "a" has no sources"#],
    ),
    (
        r#"[[channels]]
id = "a"
sources = []"#,
        &[r#"3:11: channel "a" has no sources"#],
    ),
    (
        r#"[[channels]]
id = "a"
sources = "http://joe:hunter2@h/a.ts""#,
        &["3:11: expected a list in [ ], found a text"],
    ),
    (
        r#"[[channels]]
id = "a"
sources = ["testcard://", 5]"#,
        &["3:27: expected an address or a table with the key url, found 5"],
    ),
    (
        r#"[[channels]]
id = "a"
sources = [["http://joe:hunter2@h/"]]"#,
        &["3:12: expected an address or a table with the key url, found a list"],
    ),
    (
        r#"[[channels]]
id = "a"
sources = [{ ulr = "http://joe:hunter2@h/" }]"#,
        &[
            r#"3:14: unknown key "ulr", expected one of url, exec, provider, headers, user_agent, max_bitrate, variant, allow_private, tls, proxy; did you mean "url"?"#,
        ],
    ),
    (
        r#"[[channels]]
id = "a"
sources = [{ headers = {} }]"#,
        &[r#"3:12: the key "url" is missing"#],
    ),
    (
        r#"[[channels]]
id = "a"
sources = [
  "testcard://"
  "http://joe:hunter2@h/"
]"#,
        &["5:3: not TOML: missing comma between array elements, expected `,`"],
    ),
    (
        r#"[[channels]]
id = "a"
sources = ["testcard://"]

[[channels]]
id = "a"
number = 7
sources = ["testcard://"]

[[channels]]
id = "b"
number = 7
sources = ["testcard://"]"#,
        &[
            r#"6:6: the id "a" is taken: line 2 uses it first"#,
            "12:10: the number 7 is taken: line 7 uses it first",
        ],
    ),
    (
        r#"[[channels]]
id = "a b"
sources = ["testcard://"]"#,
        &["2:6: id: must not contain ' '; use A-Z a-z 0-9 . _ -"],
    ),
    (
        r#"[[channels]]
id = "a.ts"
sources = ["testcard://"]"#,
        &[r#"2:6: id: must not end in ".ts"; paths get that ending by themselves"#],
    ),
    (
        r#"[[channels]]
id = "a"
name = ""
number = 0
group = "x\ny"
logo = "logo.png"
tvg_id = " "
program = 65536
sources = ["testcard://"]"#,
        &[
            "3:8: name: must not be empty; leave the key out instead",
            "4:10: number: 0 is out of range, expected 1 to 4294967295",
            "5:9: group: must be one line without control characters",
            "6:8: logo: not an address that begins with http:// or https://",
            "7:10: tvg_id: must not be empty; leave the key out instead",
            "8:11: program: 65536 is out of range, expected 1 to 65535",
        ],
    ),
    (
        r#"[[channels]]
id = "a"
number = 4294967296
sources = ["testcard://"]"#,
        &["3:10: number: 4294967296 is out of range, expected 1 to 4294967295"],
    ),
    (
        r#"[[channels]]
id = "a"
number = "1"
sources = ["testcard://"]"#,
        &["3:10: expected a whole number, found a text"],
    ),
    (
        r#"[[channels]]
id = "a"
burst = "12s"
sources = ["testcard://"]"#,
        &["3:9: burst (12s) must be shorter than buffer (12s)"],
    ),
    (
        r#"[[channels]]
id = "a"
sources = ["htp://joe:hunter2@h/", "rtmp://joe:hunter2@h/", "joe:hunter2@h/", "http://joe:hunter2@h:x/"]"#,
        &[
            r#"3:12: source: unknown scheme "htp", expected http, https, page, file, udp, rtp or testcard; did you mean "http"?"#,
            r#"3:36: source: unknown scheme "rtmp", expected http, https, page, file, udp, rtp or testcard"#,
            "3:61: source: not an address; it begins with http://, https://, page:, file:, udp://, rtp:// or testcard://",
            "3:79: source: not a valid address: invalid port number",
        ],
    ),
    (
        r#"[[channels]]
id = "é"
sources = ["http://h/|User-Agent=hunter2"] # é"#,
        &[
            "2:6: id: must not contain 'é'; use A-Z a-z 0-9 . _ -",
            r#"3:12: source: options after "|" are not understood; use user_agent = "…" and headers = { … }"#,
        ],
    ),
    (
        r#"[[channels]]
id = "a"
[[channels.sources]]
url = "http://h/"
user_agent = "a\nb"
[channels.sources.headers]
"X Key" = "hunter2"
Range = "bytes=0-"
User-Agent = "VLC"
Cookie = "hunter2\n"
Accept = "a"
accept = "b""#,
        &[
            "5:14: user_agent: must be one line of plain ASCII characters",
            r#"7:1: headers: "X Key" is not the name of a header"#,
            "8:1: headers: Range is set by Forebay itself",
            "9:1: headers: the User-Agent has a place of its own: user_agent",
            "10:10: cookie: the value must be one line without control characters",
            "12:1: headers: accept stands here a second time",
        ],
    ),
    (
        r#"[[channels]]
id = "a"
sources = [{ url = "http://h/", headers = ["hunter2"] }]"#,
        &["3:43: expected a table, found a list"],
    ),
    (
        r#"[[channels]]
id = "a"
sources = [{ url = "http://h/", headers = { A = 5 } }]"#,
        &["3:49: expected a text in quotes, found 5"],
    ),
    (
        "[server]
listen = 0.0.0.0:8080",
        &[r#"2:13: not a number; a text needs quotes: key = "value""#],
    ),
    (
        "[server]
listen = 127.0.0.1",
        &[r#"2:15: not a number; a text needs quotes: key = "value""#],
    ),
    (
        "[stream]
burst = 2s",
        &[r#"2:9: a text needs quotes: key = "value""#],
    ),
    (
        "[stream]
buffer_bytes = 16MiB",
        &[r#"2:16: a text needs quotes: key = "value""#],
    ),
    (
        "[stream]
burst = 30",
        &[r#"2:9: expected a duration such as "30s", found 30"#],
    ),
    (
        "[server]
public_url = https://tv.example",
        &[r#"2:14: a text needs quotes: key = "value""#],
    ),
    (
        "[server]
listen = [::]:8080",
        &["2:14: not TOML: unexpected key or value, expected newline, `#`"],
    ),
    (
        r#"[server]
public_url = "https://joe:hunter2@h:x""#,
        &["2:14: public_url: not a valid address: invalid port number"],
    ),
    (
        r#"[server]
listen = "a" b"#,
        &["2:14: not TOML: unexpected key or value, expected newline, `#`"],
    ),
    (
        r#"[server]
listen = "a\q""#,
        &[
            r#"2:13: not TOML: missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\`, `"`, `x`, `u`, `U`"#,
        ],
    ),
    (
        "\u{feff}[sever]",
        &[
            r#"1:2: unknown key "sever", expected one of server, auth, oidc, tokens, hdhomerun, log, data, backups, stream, hls, films, resolver, providers, playlists, guides, pushes, transcode, profiles, webhooks, channels; did you mean "server"?"#,
        ],
    ),
    (
        "\u{feff}sever = 1",
        &[
            r#"1:1: unknown key "sever", expected one of server, auth, oidc, tokens, hdhomerun, log, data, backups, stream, hls, films, resolver, providers, playlists, guides, pushes, transcode, profiles, webhooks, channels; did you mean "server"?"#,
        ],
    ),
    (
        "[log]
file_keep = 99999999999999999999",
        &["2:13: expected a whole number, found 99999999999999999999"],
    ),
    (
        r#"[[channels]]
id = "a"
sources = ["testcard://2"]
[[channels]]
id = ""
sources = [{ url = "file:", headers = { A = "b" } }]"#,
        &[
            "3:12: source: nothing may follow testcard://",
            "5:6: id: must not be empty",
            "6:20: source: names no file; write file:clips/a.ts (from the folder of the configuration) or file:///srv/a.ts",
        ],
    ),
    (
        r#"[[channels]]
id = "a"
sources = ["testcard://"]
headers = { A = "b" }"#,
        &[
            r#"4:1: unknown key "headers", expected one of id, name, number, group, logo, tvg_id, program, priority, sources, idle_timeout, connect_timeout, stall_timeout, start_timeout, buffer, buffer_bytes, burst, read_ahead, viewer_timeout, max_viewers, timeshift, timeshift_bytes, hedge, return_after, keep_alive, slate, slate_urls, health"#,
        ],
    ),
    (r#"channels = [["a"]]"#, &["1:13: expected a table, found a list"]),
    (
        "[server]
listen = true",
        &["2:10: expected a text in quotes, found true"],
    ),
    (
        "a.b = 1",
        &[
            r#"1:1: unknown key "a", expected one of server, auth, oidc, tokens, hdhomerun, log, data, backups, stream, hls, films, resolver, providers, playlists, guides, pushes, transcode, profiles, webhooks, channels"#,
        ],
    ),
    (
        "[[channels]]
id = 1",
        &["2:6: expected a text in quotes, found 1"],
    ),
    (
        r#"[stream]
burst = "10s"
buffer = "5s"
[[channels]]
id = "a"
sources = ["testcard://"]"#,
        &["2:9: burst (10s) must be shorter than buffer (5s)"],
    ),
    (
        r#"[[channels]]
id = "a"
sources = ["http://joe:hunter2@h/a.ts]"#,
        &["3:39: not TOML: unclosed array, expected `]`"],
    ),
];
