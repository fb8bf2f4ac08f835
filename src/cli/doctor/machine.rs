//! What is there on this machine.

use std::ffi::OsStr;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use forebay_relay::error::reason;
use forebay_relay::model::SourceKind;
use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};

use super::Finding;
use super::rules::{self, Wanted};
use crate::config::Config;
use crate::db;
use crate::programs;

/// Programs, addresses, folders, and limits.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut found = programs(config);
    let examined = db::examine(&config.data.path);
    let runs = examined.as_ref().is_ok_and(|examined| examined.is_in_use);
    found.push(database(config, examined));
    found.extend(listening(config).map(|listen| address(listen, runs)));
    let folders = [("folder of the database", &config.data.path), ("folder of HLS", &config.hls_dir)];
    found.extend(folders.map(|(subject, path)| writable(subject, path)));
    found.extend(config.films.folders.iter().map(|path| readable("films", path)));
    let spaces = [("database", &config.data.path), ("time-shift", &config.hls_dir)];
    found.extend(spaces.into_iter().filter_map(|(subject, path)| space(subject, path)));
    found.push(rules::descriptors(getrlimit(Resource::Nofile).maximum));
    found
}

fn programs(config: &Config) -> Vec<Finding> {
    let sources = || config.channels.iter().flat_map(|channel| &channel.sources);
    let has_pages = sources().any(|source| source.url.kind() == SourceKind::Page);
    let ffmpeg = Wanted {
        name: "ffmpeg",
        use_of_it: "smaller copies of films, and no looks at black or frozen pictures",
        installed_by: "apt-get install ffmpeg",
        is_needed: false,
    };
    let yt_dlp = Wanted {
        name: "yt-dlp",
        use_of_it: "pages of video platforms",
        installed_by: "pipx install yt-dlp; [resolver] command names one elsewhere",
        is_needed: has_pages,
    };
    vec![
        rules::program(ffmpeg, version("ffmpeg", "-version")),
        rules::program(yt_dlp, version(&config.resolver.command, "--version")),
    ]
}

/// What a program says of itself, in its first line.
fn version(command: &str, flag: &str) -> Result<String, String> {
    let path = programs::find(OsStr::new(command)).ok_or_else(|| format!("there is no {command}"))?;
    let output = Command::new(&path).arg(flag).output().map_err(|error| reason(&error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default().trim();
    if output.status.success() {
        Ok(format!("{line} ({})", path.display()))
    } else {
        Err(format!("{} does not run: {}", path.display(), output.status))
    }
}

fn listening(config: &Config) -> impl Iterator<Item = SocketAddr> {
    let tls = config.server.tls.as_ref().map(|tls| tls.listen);
    std::iter::once(config.server.listen).chain(tls)
}

/// Whether the address can be listened on. `runs` says that a Forebay uses the database.
fn address(listen: SocketAddr, runs: bool) -> Finding {
    let subject = format!("address {listen}");
    let Err(error) = TcpListener::bind(listen) else { return Finding::good(subject, "free") };
    match error.kind() {
        io::ErrorKind::AddrInUse if runs => Finding::good(subject, "taken, and a Forebay runs"),
        io::ErrorKind::AddrInUse => {
            let advice = format!(
                "end the other program (`ss -ltnp 'sport = :{}'` names it), or set [server] listen",
                listen.port()
            );
            Finding::problem(subject, "another program listens there", advice)
        }
        io::ErrorKind::PermissionDenied => {
            let advice =
                "take a port from 1024 on, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit";
            Finding::problem(subject, "ports below 1024 are for root", advice)
        }
        io::ErrorKind::AddrNotAvailable => {
            Finding::problem(subject, "this machine has no such address", "`ip address` lists those it has")
        }
        _ => Finding::problem(subject, reason(&error), "set [server] listen"),
    }
}

fn database(config: &Config, examined: Result<db::Examined, db::OpenError>) -> Finding {
    let folder = config.data.path.display();
    match examined {
        Ok(examined) if examined.is_there => Finding::good("database", format!("sound, in {folder}")),
        Ok(_) => Finding::good("database", format!("none yet, in {folder}")),
        Err(error) => {
            let advice = "`forebay restore FILE` puts a backup in its place, and keeps what is there";
            Finding::problem("database", error.to_string(), advice)
        }
    }
}

/// A folder that is made at the start where it is missing.
fn writable(subject: &str, folder: &Path) -> Finding {
    let there = existing(folder);
    let shown = folder.display();
    let problem = |message: String| {
        let advice = format!("let the user who runs Forebay write there: chown USER {}", there.display());
        Finding::problem(subject, message, advice)
    };
    if !there.is_dir() {
        return problem(format!("{shown}: {} is no folder", there.display()));
    }
    match access(&there, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Finding::good(subject, shown.to_string()),
        Err(error) => problem(format!("{shown}: {}", reason(&error.into()))),
    }
}

fn readable(subject: &str, folder: &Path) -> Finding {
    let shown = folder.display();
    match std::fs::read_dir(folder) {
        Ok(_) => Finding::good(subject, shown.to_string()),
        Err(error) => {
            let advice = "let the user who runs Forebay read it, or change `folders` of [films]; a systemd unit with \
                          ProtectHome=yes sees nothing of /home";
            Finding::problem(subject, format!("{shown}: {}", reason(&error)), advice)
        }
    }
}

fn space(subject: &str, folder: &Path) -> Option<Finding> {
    let disk = statvfs(existing(folder)).ok()?;
    Some(rules::space(subject, disk.f_bavail.saturating_mul(disk.f_frsize)))
}

/// The folder, or the nearest one above it that is there.
fn existing(folder: &Path) -> PathBuf {
    let is_there = |path: &&Path| path.exists();
    let above = folder.ancestors().find(is_there).unwrap_or_else(|| Path::new("."));
    if above.as_os_str().is_empty() { ".".into() } else { above.to_owned() }
}
