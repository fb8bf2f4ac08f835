//! `[server]` and `[log]`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use forebay_relay::model::nearest::did_you_mean;
use forebay_relay::model::{Checker, CountText, Delivery, Limits, limits_ms, parse_bandwidth, parse_http};
use ipnet::IpNet;
use url::Url;

use super::super::file::{LogFile, ServerFile};
use super::super::log_filter::check_filter;
use super::super::{Log, PerAddress, Quota, Server};
use super::{parse_listen, tls};
use crate::host::HostPort;

/// Longer than any supervisor waits before it kills.
const SHUTDOWN_GRACE: Limits<Duration> = limits_ms(100, 300_000);

/// More than any system has file descriptors for.
const MAX_CONNECTIONS: i64 = 10_000_000;

/// As many as there may be at all.
const MAX_PER_ADDRESS: RangeInclusive<u32> = 1..=10_000_000;

/// Ten years of daily files.
const FILE_KEEP_MAX: i64 = 3650;

/// From what waits for the disk at a time, which is written at once, to what a disk may hold.
const FILE_MAX_BYTES: Limits<u64> = Limits { min: 1 << 20, max: 1 << 40 };

/// `[server]`.
pub(super) fn server(checker: &mut Checker, typed: &ServerFile, folder: &Path) -> Server {
    let default = Server::default();
    let network = |text: &str| parse_network(text);
    Server {
        listen: checker
            .field("listen", typed.listen.as_ref(), |text| parse_listen(text))
            .unwrap_or(default.listen),
        public_url: checker.field("public_url", typed.public_url.as_ref(), |text| parse_public_url(text)),
        trusted_proxies: checker.list(
            "trusted_proxies",
            typed.trusted_proxies.as_deref().unwrap_or_default(),
            network,
        ),
        admin_from: typed
            .admin_from
            .as_ref()
            .map_or(default.admin_from, |typed| checker.list("admin_from", typed, network)),
        proxy_header: checker
            .field("proxy_header", typed.proxy_header.as_ref(), |text| parse_choice(text, PROXY_HEADERS)),
        admin_hosts: checker.list(
            "admin_hosts",
            typed.admin_hosts.as_deref().unwrap_or_default(),
            parse_host,
        ),
        allow_private_sources: typed.allow_private_sources.unwrap_or(default.allow_private_sources),
        shutdown_grace: checker
            .duration("shutdown_grace", typed.shutdown_grace.as_ref(), &SHUTDOWN_GRACE)
            .unwrap_or(default.shutdown_grace),
        max_connections: checker
            .number("max_connections", typed.max_connections.as_ref(), MAX_CONNECTIONS)
            .unwrap_or(default.max_connections),
        per_address: per_address(checker, typed),
        max_bandwidth: checker
            .field("max_bandwidth", typed.max_bandwidth.as_ref(), |text| parse_bandwidth(text)),
        delivery: checker
            .field("delivery", typed.delivery.as_ref(), |text| parse_delivery(text))
            .unwrap_or(default.delivery),
        tls: typed
            .tls
            .as_ref()
            .and_then(|typed| checker.within("tls", |checker| tls::tls(checker, typed, folder))),
    }
}

fn per_address(checker: &mut Checker, typed: &ServerFile) -> PerAddress {
    let default = PerAddress::default();
    // A number, or none where `"off"` stands for it; the default if there is neither.
    let mut limit = |key, typed: &Option<CountText>, default: Option<usize>| {
        let default = default.and_then(|limit| u32::try_from(limit).ok());
        let limit = checker.count_or_off(key, typed.as_ref(), &MAX_PER_ADDRESS, default);
        limit.and_then(|limit| usize::try_from(limit).ok())
    };
    PerAddress {
        connections: limit(
            "max_connections_per_address",
            &typed.max_connections_per_address,
            default.connections,
        ),
        // A number, or a share where there is none; everything where `"off"` stands for it.
        viewers: match &typed.max_viewers_per_address {
            None => Quota::Share,
            viewers => limit("max_viewers_per_address", viewers, None).map_or(Quota::Off, Quota::Most),
        },
        requests: limit(
            "max_requests_per_address",
            &typed.max_requests_per_address,
            default.requests.and_then(|limit| usize::try_from(limit).ok()),
        )
        .and_then(|limit| u32::try_from(limit).ok()),
        opening: limit("max_opening_per_address", &typed.max_opening_per_address, default.opening),
    }
}

/// `[log]`.
pub(super) fn log(checker: &mut Checker, typed: &LogFile, folder: &Path) -> Log {
    let default = Log::default();
    Log {
        level: checker
            .field("level", typed.level.as_ref(), |text| check_filter(text).map(|()| text.clone()))
            .unwrap_or(default.level),
        format: checker
            .field("format", typed.format.as_ref(), |text| parse_choice(text, FORMATS))
            .unwrap_or(default.format),
        file: checker.field("file", typed.file.as_ref(), |text| parse_log_file(text, folder)),
        file_keep: checker
            .number("file_keep", typed.file_keep.as_ref(), FILE_KEEP_MAX)
            .unwrap_or(default.file_keep),
        file_max_bytes: checker
            .size("file_max_bytes", typed.file_max_bytes.as_ref(), &FILE_MAX_BYTES)
            .unwrap_or(default.file_max_bytes),
    }
}

/// An address others are appended to: the path gets a `/` at its end, and there is nothing behind
/// it.
fn parse_public_url(text: &str) -> Result<Url, String> {
    let mut url = parse_http(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with the path, without \"?\" or \"#\"".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or a password: it is shown to every viewer".into());
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// A network, or one address.
fn parse_network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .map(|network| network.trunc())
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            format!("\"{text}\" is not an address or a network such as \"127.0.0.1\" or \"10.0.0.0/8\"")
        })
}

/// A name or an address without a port, in lower case.
fn parse_host(text: &str) -> Result<String, String> {
    match HostPort::parse(text) {
        Some(HostPort { host, port: None }) => Ok(host.to_ascii_lowercase()),
        _ => Err(format!("\"{text}\" is not a host without a port, such as \"tv.example\"")),
    }
}

/// One of `names`, which are those of `T`.
pub(super) fn parse_choice<T: ValueEnum>(text: &str, names: &[&str]) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| unknown(text, names))
}

/// The names of [`LogFormat`](super::super::LogFormat).
const FORMATS: &[&str] = &["auto", "text", "json"];

/// The names of [`ProxyHeader`](super::super::ProxyHeader).
const PROXY_HEADERS: &[&str] =
    &["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip"];

fn parse_delivery(text: &str) -> Result<Delivery, String> {
    match text {
        "auto" => Ok(Delivery::Auto),
        "copy" => Ok(Delivery::Copy),
        "sendfile" => Ok(Delivery::Sendfile),
        _ => Err(unknown(text, &["auto", "copy", "sendfile"])),
    }
}

/// Another word than one of `names`.
fn unknown(text: &str, names: &[&str]) -> String {
    let (last, others) = names.split_last().unwrap_or((&"", &[]));
    let others = others.join(", ");
    format!("\"{text}\" is unknown, expected {others} or {last}{}", did_you_mean(text, names))
}

fn parse_log_file(text: &str, folder: &Path) -> Result<PathBuf, String> {
    let path = folder.join(text);
    if Path::new(text).file_name().is_none() || text.ends_with('/') {
        return Err(format!("\"{text}\" names no file"));
    }
    if path.is_dir() {
        return Err(format!("\"{text}\" is a folder"));
    }
    Ok(path)
}
