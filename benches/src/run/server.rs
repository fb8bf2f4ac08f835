//! The servers that are compared, and how each is started.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;
use serde::{Deserialize, Serialize};

use super::beside;
use super::program::{self, Placement, Program};
use super::scenario::Scenario;

/// A server, or a way to run one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// The server under test, as it is used.
    Forebay,
    /// An older build of it, as it is used.
    Before,
    /// The server under test with `delivery = "copy"`.
    Copy,
    /// The same with `delivery = "sendfile"`.
    Sendfile,
    /// The server under test, whose figures somebody asks for each second.
    Scraped,
    /// The server under test, whose viewers show a token.
    Token,
    /// The plain relay of this program.
    Reference,
    /// No relay: the viewers are at the origin.
    Origin,
    /// No relay either: what answers questions best.
    Nginx,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forebay => "forebay",
            Self::Before => "before",
            Self::Copy => "copy",
            Self::Sendfile => "sendfile",
            Self::Scraped => "scraped",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Origin => "origin",
            Self::Nginx => "nginx",
        })
    }
}

/// What starts servers.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) placement: Placement,
    pub(super) folder: PathBuf,
    pub(super) binary: PathBuf,
    /// The older build, where there is one to compare with.
    pub(super) before: Option<PathBuf>,
}

impl Servers {
    /// Which servers bear a scenario in turn: with an older build, that and the present one only.
    pub(super) fn of(&self, scenario: &Scenario) -> Vec<Kind> {
        match self.before {
            Some(_) => vec![Kind::Before, Kind::Forebay],
            None => scenario.servers.to_vec(),
        }
    }

    /// The program of a build of Forebay.
    pub(super) fn build(&self, kind: Kind) -> &Path {
        match (kind, &self.before) {
            (Kind::Before, Some(before)) => before,
            _ => &self.binary,
        }
    }

    /// Starts a server that relays `channels` channels of `origin`.
    pub(super) fn start(&self, kind: Kind, origin: &Program, channels: usize) -> anyhow::Result<Program> {
        let log = self.folder.join(format!("{kind}.log"));
        Program::server(&self.placement, &log, |listen| match kind {
            Kind::Forebay | Kind::Before | Kind::Copy | Kind::Sendfile | Kind::Scraped | Kind::Token => {
                let keys = match kind {
                    Kind::Copy => "delivery = \"copy\"",
                    Kind::Sendfile => "delivery = \"sendfile\"",
                    // One user's tokens play what all viewers watch.
                    Kind::Token => "[auth]\nstreams = \"token\"\n[tokens]\nmax_streams = 10000",
                    _ => "",
                };
                let configuration = program::configuration(listen, origin.address, channels, keys);
                program::forebay(self.build(kind), &self.folder.join("channels.toml"), &configuration)
            }
            Kind::Reference => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("reference").arg("--upstream").arg(format!("{}/ch0", origin.address));
                command.arg("--listen").arg(listen.to_string());
                Ok(command)
            }
            Kind::Origin => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("origin").arg("--listen").arg(listen.to_string());
                Ok(command)
            }
            Kind::Nginx => bail!("nginx relays nothing"),
        })
    }

    /// What viewers ask for.
    pub(super) fn url(kind: Kind, server: &Program) -> anyhow::Result<String> {
        Ok(match kind {
            Kind::Forebay | Kind::Before | Kind::Copy | Kind::Sendfile | Kind::Scraped => {
                format!("http://{}/stream/ch{{ch}}", server.address)
            }
            Kind::Token => {
                let token = beside::token(server.address)?;
                format!("http://{}/t/{token}/stream/ch{{ch}}", server.address)
            }
            Kind::Reference | Kind::Origin | Kind::Nginx => format!("http://{}/ch{{ch}}", server.address),
        })
    }
}
