//! The configuration: what was typed (`File`) and what it means ([`Config`]).
//!
//! A [`Config`] is valid by construction. Reading finds all faults it can in one run, names the
//! place of each, and never repeats an address, for addresses hold passwords.

mod auth;
mod environment;
mod error;
mod explain;
mod file;
pub mod guide;
mod hdhomerun;
mod in_force;
pub mod log_filter;
mod manual;
mod memory;
pub mod oidc;
mod origins;
pub mod playlist;
mod resolve;
mod server;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod transcode;
pub mod webhooks;

use std::collections::{HashMap, HashSet};
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forebay_core::rungs;
use forebay_relay::model::{Channel, ChannelId, House, Provider, ProviderId, Proxy};
use forebay_relay::push::Push;
use rustix::fs::OFlags;
use rustix::io::Errno;

pub use auth::{Auth, StreamAccess};
pub use environment::Environment;
pub(crate) use error::more_faults;
pub use error::{Error, Fault, Place};
pub use guide::GuideSpec;
pub use hdhomerun::Hdhomerun;
pub use in_force::InForce;
pub use manual::{Manual, Setting, settings};
pub use oidc::Oidc;
pub use origins::{Origin, SetBy, origins};
pub use playlist::PlaylistSpec;
pub use server::{PerAddress, ProxyHeader, Quota, Server};
pub use tls::{Acme, Identity, Tls};
pub use tokens::Tokens;
pub use transcode::Transcode;
pub use webhooks::Webhook;

/// A whole configuration, checked.
///
/// It has many fields since each is a table or a list of the file, which has a type of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from, as it was named.
    pub path: PathBuf,
    /// The variables that won over the file; they win over the next one too.
    pub environment: Environment,
    /// How Forebay is reached. A change of `listen` or `shutdown_grace` needs a restart.
    pub server: Server,
    /// Who may watch.
    pub auth: Auth,
    /// Who vouches for people, besides their passwords.
    pub oidc: Option<Oidc>,
    /// How long tokens of streams are good, and how many there are.
    pub tokens: Tokens,
    /// Channels as tuners.
    pub hdhomerun: Hdhomerun,
    /// What it tells about itself. A change needs a restart.
    pub log: Log,
    /// Where the database is. A change needs a restart.
    pub data: DataDir,
    /// A folder of our own, for what concerns HLS: absolute, or relative to the working directory
    /// as `path` is.
    pub hls_dir: PathBuf,
    /// Files that are played from their beginning.
    pub films: Films,
    /// How pages of video platforms are resolved. A change needs a restart.
    pub resolver: Resolver,
    /// What channels are checked against, of whatever origin.
    pub house: House,
    /// Accounts with a limit of connections, in the order of the file; ids are unique.
    pub providers: Vec<Provider>,
    /// Lists of channels that others make, each with an id; ids and names are unique.
    pub playlists: Vec<PlaylistSpec>,
    /// Guides that others make, in the order in which they are asked; ids are unique.
    pub guides: Vec<GuideSpec>,
    /// Channels that are sent to servers elsewhere; ids are unique.
    pub pushes: Vec<Push>,
    /// Variants of channels.
    pub transcode: Transcode,
    /// Servers that are told what happens; ids are unique.
    pub webhooks: Vec<Webhook>,
    /// Copies of the database and this file.
    pub backups: Backups,
    /// The channels in the order of the file; ids and numbers are unique.
    pub channels: Vec<Arc<Channel>>,
}

/// `[log]`: what Forebay tells about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A level (`info`) or directives (`info,forebay_relay::input=debug`), checked.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
    /// A file to write to besides stderr: its name is the beginning of each file's, of which there
    /// is one a day or more. Absolute, or relative to the working directory as the path of the
    /// configuration is.
    pub file: Option<PathBuf>,
    /// How many of those files are kept; 1 to 3650.
    pub file_keep: usize,
    /// Behind how many bytes another file begins; from 1 MiB.
    pub file_max_bytes: u64,
}

/// `[data]`: the folder of what people and imports make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    /// Absolute, or relative to the working directory as the path of the configuration is.
    pub path: PathBuf,
    /// Whether the configuration names it: then it is needed.
    pub is_configured: bool,
}

/// `[backups]`: copies of the database and the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backups {
    /// How often one is made; never if absent.
    pub every: Option<Duration>,
    /// How many are kept; from 1.
    pub keep: usize,
    /// The folder that they are in: absolute, or relative to the working directory as the path of
    /// the configuration is.
    pub folder: PathBuf,
}

impl Default for Backups {
    fn default() -> Self {
        // A week's worth: the database of a large list has some 50 MB.
        Self { every: Some(Duration::from_hours(24)), keep: 7, folder: PathBuf::new() }
    }
}

/// `[films]`: files that are played from their beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Films {
    /// Folders with films: absolute, or relative to the working directory as the path of the
    /// configuration is.
    pub folders: Vec<PathBuf>,
    /// How long segments are to be.
    pub segment: Duration,
    /// How often the folders are looked into.
    pub rescan: Duration,
    /// What the indexes of films that are played may take, in bytes.
    pub index_memory: u64,
    /// What segments may take that are kept in memory, in bytes.
    pub cache: u64,
    /// The names of the smaller copies that are made when somebody asks for them: `720p`.
    pub ladder: Vec<String>,
}

impl Default for Films {
    fn default() -> Self {
        let (segment, rescan) = (Duration::from_secs(6), Duration::from_secs(10));
        let ladder = rungs::ALL.map(rungs::Rung::name).into();
        Self {
            folders: Vec::new(),
            segment,
            rescan,
            index_memory: 64 << 20,
            cache: memory::share(1 << 30),
            ladder,
        }
    }
}

/// `[resolver]`: how pages of video platforms are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// The yt-dlp: a name to look for, or a path.
    pub command: String,
    /// Folders with plugins of it: absolute, or relative to the working directory as the path of
    /// the configuration is.
    pub plugin_dirs: Vec<PathBuf>,
    /// The proxy through which pages are read.
    pub proxy: Option<Proxy>,
    /// How long one page may take.
    pub timeout: Duration,
    /// What one page may take, in bytes.
    pub memory: u64,
    /// How long a yt-dlp that nobody needs is kept.
    pub idle_stop: Duration,
    /// Bytes that files of pages may take on the disk.
    pub cache: u64,
    /// Bytes that downloads of pages may take on the disk.
    pub downloads: u64,
    /// Whether pages may lead to addresses that are not public: as sources given by the API may.
    pub allow_private: bool,
    /// How many at a time, and how long answers are good.
    pub limits: forebay_core::resolve::Limits,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            command: "yt-dlp".to_owned(),
            plugin_dirs: Vec::new(),
            proxy: None,
            timeout: Duration::from_secs(30),
            memory: 512 << 20,
            idle_stop: Duration::from_mins(5),
            // Two films in full HD, or many short ones.
            cache: 4 << 30,
            // Some films, for a day.
            downloads: 20 << 30,
            allow_private: false,
            limits: forebay_core::resolve::Limits::default(),
        }
    }
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// Text; in colours where a terminal shows them.
    #[default]
    Auto,
    /// Text without colours.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Auto,
            file: None,
            file_keep: 7,
            // With `file_keep`, under half a gigabyte in all. An editor still opens such a file.
            file_max_bytes: 64 << 20,
        }
    }
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::load_with(path, Environment::default())
    }

    /// Reads and checks the file at `path`, over which `environment` wins.
    pub fn load_with(path: &Path, environment: Environment) -> Result<Self, Error> {
        let text = read_file(path).map_err(|err| Error::unreadable(path, &err))?;
        Self::parse_with(&text, path, environment)
    }

    /// Checks `text` as if it stood in the file at `path`; relative paths in it start at that
    /// file's folder.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        Self::parse_with(text, path, Environment::default())
    }

    /// As [`parse`](Self::parse), and `environment` wins over the text.
    pub fn parse_with(text: &str, path: &Path, environment: Environment) -> Result<Self, Error> {
        let mut file = toml::from_str(text).map_err(|err| explain::explain(&err, text, path))?;
        let set = environment.apply(&mut file)?;
        let text = resolve::Text { whole: text, path, set: &set };
        Ok(Self { environment, ..resolve::resolve(&file, text)? })
    }

    /// What channels are checked against that are given by the API.
    pub fn api_house(&self) -> House {
        self.house_of(false)
    }

    /// What is checked against that stands in this file, or that is given by the API.
    pub fn house_of(&self, is_of_file: bool) -> House {
        let mut house = self.house.clone();
        house.is_internet_only = !is_of_file && !self.server.allow_private_sources;
        house
    }

    /// The channel with this id. It looks through the list: for a start or a reload, not for each
    /// request.
    pub fn channel(&self, id: &str) -> Option<&Arc<Channel>> {
        self.channels.iter().find(|channel| channel.id.as_str() == id)
    }

    /// The channel with this id, else the one with this number.
    pub fn channel_by_number_or_id(&self, text: &str) -> Option<&Arc<Channel>> {
        self.channel(text).or_else(|| {
            let number = text.parse().ok()?;
            self.channels.iter().find(|channel| channel.number == Some(number))
        })
    }

    /// What is allowed but hardly meant. Shown at the start, at a reload and by `forebay check`.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        warnings.extend(self.server.tls.as_ref().and_then(Tls::warning));
        if self.channels.is_empty() && self.playlists.is_empty() {
            warnings.push("there are no channels".into());
        }
        let numbers: HashMap<u32, &ChannelId> =
            self.channels.iter().filter_map(|channel| Some((channel.number?, &channel.id))).collect();
        let used: HashSet<&ProviderId> = self
            .channels
            .iter()
            .flat_map(|channel| &channel.sources)
            .filter_map(|source| source.provider.as_ref())
            .collect();
        for provider in self.providers.iter().filter(|provider| !used.contains(&provider.id)) {
            warnings.push(format!("provider \"{}\": no source uses it", provider.id));
        }
        for channel in &self.channels {
            let id = &channel.id;
            let number = id.as_str().parse::<u32>().ok();
            let taken = number.and_then(|number| numbers.get(&number)).is_some_and(|other| *other != id);
            if taken {
                warnings.push(format!(
                    "channel \"{id}\": its id is the number of another channel, and wins over it"
                ));
            }
            if channel.policy.connect_timeout > channel.policy.start_timeout {
                warnings.push(format!("channel \"{id}\": connect_timeout is longer than start_timeout"));
            }
            let has_http = channel.sources.iter().any(|source| source.url.kind().is_requested());
            if !channel.slate_urls.is_empty() && !has_http {
                warnings.push(format!(
                    "channel \"{id}\": none of its sources is http, so its slate_urls have no use"
                ));
            }
            for (at, source) in channel.sources.iter().enumerate() {
                if let Some(first) = channel.sources[..at].iter().position(|other| other.is_same_as(source)) {
                    warnings.push(format!(
                        "channel \"{id}\": source {} is the same as source {}",
                        at + 1,
                        first + 1
                    ));
                }
                let head = source.user_agent.is_some() || !source.headers.is_empty();
                if head && !source.url.kind().is_requested() {
                    warnings.push(format!(
                        "channel \"{id}\": source {} is not http, so its headers and user_agent have no use",
                        at + 1
                    ));
                }
                if let Some(provider) = source.provider.as_ref().filter(|_| !source.url.kind().is_requested())
                {
                    warnings.push(format!(
                        "channel \"{id}\": source {} is not http, and yet counts as a connection to provider \"{provider}\"",
                        at + 1
                    ));
                }
            }
        }
        warnings
    }
}

/// The largest file that is read: hundreds of thousands of channels.
const MAX_FILE: u64 = 64 << 20;

/// Reads a file of people's. What is no file might keep whoever reads it for ever, or never end.
fn read_file(path: &Path) -> io::Result<String> {
    // A pipe is opened at once, so that it can be seen what it is.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(Errno::ISDIR.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it is larger than {} MiB", MAX_FILE >> 20)));
    }
    Ok(text)
}
