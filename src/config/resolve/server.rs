//! `[server]` and `[log]`.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use ipnet::IpNet;
use toml::Spanned;
use url::Url;

use super::super::file::{Count, LogFile, ServerFile};
use super::super::nearest::did_you_mean;
use super::super::units::{self, Limits, limits_ms};
use super::super::{Log, PerAddress, Quota, Server};
use super::{Resolver, parse_http};
use crate::host::HostPort;
use crate::telemetry::log::check_filter;

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

impl Resolver<'_> {
    pub(super) fn server(&mut self, typed: ServerFile) -> Server {
        let ServerFile {
            listen,
            public_url,
            trusted_proxies,
            proxy_header,
            admin_from,
            admin_hosts,
            shutdown_grace,
            max_connections,
            max_connections_per_address,
            max_viewers_per_address,
            max_opening_per_address,
            max_bandwidth,
            delivery,
            tls,
        } = typed;
        let default = Server::default();
        Server {
            listen: self
                .checked("listen", listen.as_ref(), |text| parse_listen(text))
                .unwrap_or(default.listen),
            public_url: self.checked("public_url", public_url.as_ref(), |text| parse_public_url(text)),
            trusted_proxies: self.networks("trusted_proxies", &trusted_proxies),
            admin_from: admin_from
                .map_or(default.admin_from, |admin_from| self.networks("admin_from", &admin_from)),
            proxy_header: self
                .checked("proxy_header", proxy_header.as_ref(), |text| parse_choice(text, PROXY_HEADERS)),
            admin_hosts: self.hosts("admin_hosts", &admin_hosts),
            shutdown_grace: self
                .duration("shutdown_grace", &shutdown_grace, &SHUTDOWN_GRACE)
                .unwrap_or(default.shutdown_grace),
            max_connections: self
                .number("max_connections", &max_connections, MAX_CONNECTIONS)
                .unwrap_or(default.max_connections),
            per_address: PerAddress {
                connections: self.per_address(
                    "max_connections_per_address",
                    &max_connections_per_address,
                    default.per_address.connections,
                ),
                viewers: self.quota("max_viewers_per_address", &max_viewers_per_address),
                opening: self.per_address(
                    "max_opening_per_address",
                    &max_opening_per_address,
                    default.per_address.opening,
                ),
            },
            max_bandwidth: self
                .checked("max_bandwidth", max_bandwidth.as_ref(), |text| units::parse_bandwidth(text)),
            delivery: self
                .checked("delivery", delivery.as_ref(), |text| parse_choice(text, DELIVERIES))
                .unwrap_or(default.delivery),
            tls: self.tls(tls),
        }
    }

    fn networks(&mut self, key: &str, typed: &[Spanned<String>]) -> Vec<IpNet> {
        typed.iter().filter_map(|typed| self.checked(key, Some(typed), |text| parse_network(text))).collect()
    }

    /// A number, or none where `"off"` stands for it; the default if there is neither.
    fn per_address(&mut self, key: &str, typed: &Count, default: Option<usize>) -> Option<usize> {
        let default = default.and_then(|limit| u32::try_from(limit).ok());
        self.count_or_off(key, typed, &MAX_PER_ADDRESS, default).and_then(|limit| usize::try_from(limit).ok())
    }

    /// A number, or a share where there is none; everything where `"off"` stands for it.
    fn quota(&mut self, key: &str, typed: &Count) -> Quota {
        match typed {
            None => Quota::Share,
            typed => self.per_address(key, typed, None).map_or(Quota::Off, Quota::Most),
        }
    }

    fn hosts(&mut self, key: &str, typed: &[Spanned<String>]) -> Vec<String> {
        typed.iter().filter_map(|typed| self.checked(key, Some(typed), |text| parse_host(text))).collect()
    }

    pub(super) fn log(&mut self, typed: LogFile) -> Log {
        let LogFile { level, format, file, file_keep, file_max_bytes } = typed;
        let default = Log::default();
        let folder = self.folder;
        Log {
            level: self
                .checked("level", level.as_ref(), |text| check_filter(text).map(|()| text.clone()))
                .unwrap_or(default.level),
            format: self
                .checked("format", format.as_ref(), |text| parse_choice(text, FORMATS))
                .unwrap_or(default.format),
            file: self.checked("file", file.as_ref(), |text| parse_log_file(text, folder)),
            file_keep: self.number("file_keep", &file_keep, FILE_KEEP_MAX).unwrap_or(default.file_keep),
            file_max_bytes: self
                .checked("file_max_bytes", file_max_bytes.as_ref(), |size| size.within(&FILE_MAX_BYTES))
                .unwrap_or(default.file_max_bytes),
        }
    }
}

pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("\"{text}\" is not an IP address and a port such as \"0.0.0.0:8080\" or \"[::]:8080\"")
    })
}

/// An address others are appended to: the path gets a `/` at its end, and there is nothing behind it.
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
fn parse_choice<T: ValueEnum>(text: &str, names: &[&str]) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| {
        let (last, others) = names.split_last().unwrap_or((&"", &[]));
        let others = others.join(", ");
        format!("\"{text}\" is unknown, expected {others} or {last}{}", did_you_mean(text, names))
    })
}

/// The names of [`LogFormat`](super::super::LogFormat).
const FORMATS: &[&str] = &["auto", "text", "json"];

/// The names of [`ProxyHeader`](super::super::ProxyHeader).
const PROXY_HEADERS: &[&str] =
    &["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip"];

/// The names of [`Delivery`](super::super::Delivery).
const DELIVERIES: &[&str] = &["auto", "copy", "sendfile"];

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
