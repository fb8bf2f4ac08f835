//! What can be typed after `forebay`.

mod migrate;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand, value_parser};
use forebay_core::targets::{Target, WATCHED};
use forebay_relay::model::header::{parse_name, parse_user_agent, parse_value};
use forebay_relay::model::{Access, ProxyChoice, Source, SourceUrl, SourceUrlError, Trust};
use http::{HeaderName, HeaderValue};

pub use self::migrate::{MigrateCommand, MigrateFrom, Program};
use crate::config::log_filter::{FilterError, check_filter};
use crate::config::{Config, LogFormat};
use crate::db::users::Role;

/// On-demand IPTV relay: one upstream, every screen.
///
/// Without a command it serves the channels of its configuration, until SIGINT or SIGTERM. SIGHUP
/// reads the configuration again.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Args {
    /// The configuration
    #[arg(
        long,
        short,
        value_name = "FILE",
        env = "FOREBAY_CONFIG",
        hide_env_values = true,
        default_value = "channels.toml",
        global = true
    )]
    pub config: PathBuf,

    /// Listen here instead of where the configuration says; port 0 picks a free one
    #[arg(long, value_name = "ADDR", env = "FOREBAY_LISTEN", hide_env_values = true, global = true)]
    pub listen: Option<SocketAddr>,

    /// Log this instead of what the configuration says: off, error, warn, info, debug, trace, or
    /// directives for parts such as `info,forebay_relay::input=debug`
    #[arg(
        long,
        value_name = "LEVEL",
        env = "FOREBAY_LOG",
        hide_env_values = true,
        value_parser = parse_level,
        global = true
    )]
    pub log: Option<String>,

    /// How log lines look, instead of what the configuration says
    #[arg(long, value_name = "FORMAT", global = true)]
    pub log_format: Option<LogFormat>,

    /// What to do; to serve if absent.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether a configuration is good, and if not, what is wrong where
    #[command(after_help = "Exits with 0 if it is good, with 1 if it is not.")]
    Check {
        /// The file to check; that of `--config` if absent
        file: Option<PathBuf>,
    },
    /// Say what is missing on this machine, what is misconfigured, and what can be done about it
    #[command(
        after_help = "Nothing is changed. Exits with 0 if there is no problem, with 1 if there is one; warnings alone are none."
    )]
    Doctor,
    /// Copy the database and the configuration to one file, whether Forebay runs or not
    #[command(
        after_help = "FILE is there whole or not at all, and its owner alone can read it: it holds passwords of sources."
    )]
    Backup {
        /// The file to make; a backup of this name is replaced. Without it, one is made in the
        /// folder of `[backups]`, and those that are too many are removed
        file: Option<PathBuf>,
    },
    /// Put a backup in the place of the database; Forebay must not run
    #[command(
        after_help = "What was there is kept under another name. The configuration is taken from the backup only where there is none."
    )]
    Restore {
        /// The backup: a file, the name of one in the folder of `[backups]`, or `latest`. Without it,
        /// those that are there are listed
        file: Option<PathBuf>,
    },
    /// Add users, give them another password, list them, whether Forebay runs or not
    #[command(subcommand)]
    User(UserCommand),
    /// Say how a file is played as a film
    #[command(subcommand)]
    Film(FilmCommand),
    /// Make smaller copies of films for HLS, whether Forebay runs or not
    #[command(
        after_help = "A Forebay that runs makes them, and goes on when this command is ended. Exits with 1 if a film has none then."
    )]
    GenerateHls(GenerateHls),
    /// Print what a shell completes the command line with
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, as `man` reads it
    Man,
    /// Become a program that jobs run; for Forebay itself
    #[command(name = crate::jobs::ffmpeg::launch::COMMAND, hide = true)]
    Launch {
        /// The process with which it dies
        #[arg(long)]
        parent: u32,
        /// The program and its arguments
        #[arg(last = true, required = true)]
        words: Vec<std::ffi::OsString>,
    },
    /// Take the channels of a list: those of an M3U file, or of an address that is read again from
    /// then on
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(Import),
    /// Move in from another program: its channels, numbers, groups, guide ids and users
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Say what a page of a video platform is, and in which forms it is to be had
    #[command(
        after_help = "No address of media is printed: they may hold tokens. Exits with 1 if the page cannot be resolved."
    )]
    Resolve {
        /// The address of a page: of youtube.com, bilibili.com, x.com, instagram.com or twitch.tv
        url: String,
    },
    /// Open an address as a source of a channel and tell what comes
    #[command(after_help = PROBE_EXAMPLES)]
    Probe(Box<Probe>),
}

/// `forebay film`
#[derive(Debug, Subcommand)]
pub enum FilmCommand {
    /// Tell the tracks of a file, where it is cut, and what becomes of it by HLS and DASH
    #[command(
        after_help = "Exits with 0 if it can be played in parts, with 1 if it is only to be had as a file."
    )]
    Check {
        /// The file
        file: PathBuf,
    },
}

/// `forebay user`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user, with a password that is made up and printed
    Add {
        /// Letters, digits and ._@-
        name: String,
        /// What the user may do besides watching
        #[arg(long, value_enum, default_value_t = Role::Viewer)]
        role: Role,
        /// Read the password from the first line of the standard input instead
        #[arg(long)]
        password_stdin: bool,
    },
    /// Give a user another password, which is made up and printed, and let it in again
    Reset {
        /// In any case of letters
        name: String,
        /// Read the password from the first line of the standard input instead
        #[arg(long)]
        password_stdin: bool,
    },
    /// List all users
    List,
}

/// `forebay generate-hls`
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("films").required(true).args(["all", "video"]))]
pub struct GenerateHls {
    /// Of all films
    #[arg(long)]
    pub all: bool,

    /// Of the film with this id
    #[arg(long, value_name = "UUID")]
    pub video: Option<String>,

    /// Make copies anew that are there
    #[arg(long)]
    pub force: bool,
}

/// `forebay import`
#[derive(Debug, clap::Args)]
pub struct Import {
    /// The list: a file, or an address that begins with http:// or https://
    #[arg(value_name = "FILE|URL")]
    pub source: String,

    /// What the playlist is called; one of this name gets the list as its next version
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Settings of a playlist that is new, by their names in `[[playlists]]`.
    #[arg(skip)]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// `forebay probe`
#[derive(Debug, clap::Args)]
pub struct Probe {
    /// The address to open.
    #[arg(value_name = "URL", help = "http://…, https://…, file:PATH or testcard://", value_parser = parse_url)]
    pub url: SourceUrl,

    /// How long to look, in seconds from 1 to 3600; 10, or 30 with `--target`
    #[arg(long, value_parser = value_parser!(u64).range(1..=3600))]
    pub seconds: Option<u64>,

    /// Say whether it can be pushed to this service as it is, and if not, why: youtube, twitch,
    /// facebook, kick or generic
    #[arg(long, value_name = "NAME", value_parser = str::parse::<Target>)]
    pub target: Option<Target>,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,

    /// Send this User-Agent
    #[arg(long, value_name = "UA", value_parser = parse_user_agent)]
    pub user_agent: Option<String>,

    /// Send this request header too; may be given more than once
    #[arg(long = "header", value_name = "'NAME: VALUE'", value_parser = parse_header)]
    pub headers: Vec<(HeaderName, HeaderValue)>,

    /// What to make of the server's certificate, as `tls` of a source: verify or unverified
    #[arg(long, value_name = "WORD", default_value = "verify", value_parser = str::parse::<Trust>)]
    pub tls: Trust,

    /// Go through this proxy, as `proxy` of a source: http://… or socks5h://…, or none whatever the
    /// environment says
    #[arg(long, value_name = "URL", value_parser = str::parse::<ProxyChoice>)]
    pub proxy: Option<ProxyChoice>,

    /// Take this programme of a stream which carries several, by its number from 1
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    pub program: Option<u16>,
}

const EXAMPLES: &str = "\
Examples:
  forebay                                    serve the channels of ./channels.toml
  forebay --config /etc/forebay.toml         … of another file
  forebay --listen 127.0.0.1:0 --log debug   on a free port of this machine only, telling more
  forebay check                              is the configuration good?
  forebay probe http://cdn.example/one.ts    what does this source send?

A flag wins over its environment variable, and that over the file. NO_COLOR=1 turns colours off.";

const COMPLETION_EXAMPLES: &str = "\
Examples:
  forebay completions bash > ~/.local/share/bash-completion/completions/forebay
  forebay completions fish > ~/.config/fish/completions/forebay.fish";

const IMPORT_EXAMPLES: &str = "\
Examples:
  forebay import channels.m3u
  forebay import --name 'My provider' http://provider.example/list.m3u

It works whether Forebay runs or not; where it was started with --listen, that is to be given here, too.
Who imports a list again keeps what was made of its channels. A list that is imported on this machine may name
addresses on private networks, as one of [[playlists]] may.";

const PROBE_EXAMPLES: &str = "\
Examples:
  forebay probe testcard://
  forebay probe --seconds 30 --json http://cdn.example/one.ts
  forebay probe --user-agent VLC/3.0.20 --header 'Referer: https://tv.example/' http://h/a.ts
  forebay probe --target youtube http://cdn.example/one.ts
  forebay probe --tls unverified --proxy socks5h://127.0.0.1:1080 https://h/a.ts

A password in the address is not printed.";

impl Args {
    /// Puts the flags and the environment over what the file says.
    pub fn apply(&self, config: &mut Config) {
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        if let Some(level) = &self.log {
            config.log.level.clone_from(level);
        }
        if let Some(format) = self.log_format {
            config.log.format = format;
        }
    }
}

/// How long a look takes where nobody says it.
const LOOK: Duration = Duration::from_secs(10);

impl Probe {
    /// How long to look.
    pub fn limit(&self) -> Duration {
        // Key frames of a whole stream count, and they may be far apart.
        let usual = if self.target.is_some() { WATCHED } else { LOOK };
        self.seconds.map_or(usual, Duration::from_secs)
    }

    /// What is to be opened.
    pub fn source(&self) -> Source {
        Source {
            user_agent: self.user_agent.clone(),
            headers: self.headers.clone(),
            access: Access {
                trust: self.tls,
                proxy: self.proxy.clone().unwrap_or_default(),
                ..Access::default()
            },
            ..Source::new(self.url.clone())
        }
    }
}

fn parse_level(text: &str) -> Result<String, FilterError> {
    check_filter(text).map(|()| text.into())
}

/// A relative file starts at the working directory, as on every command line.
fn parse_url(text: &str) -> Result<SourceUrl, SourceUrlError> {
    SourceUrl::parse(text, Path::new(""))
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) =
        text.split_once(':').ok_or("a colon is missing, as in 'Referer: https://tv.example/'")?;
    Ok((parse_name(name.trim())?, parse_value(value.trim())?))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    // The tests run with whatever environment the developer has: flags are given where a variable
    // could interfere.
    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace().map(|word| word.replace('_', " ")))
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn flags_win_over_the_file() {
        let mut config = Config::parse("[log]\nlevel = \"warn\"", Path::new("channels.toml")).unwrap();
        let args = parse("forebay --listen 127.0.0.1:0 --log debug --log-format json").unwrap();
        args.apply(&mut config);
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:0");
        assert_eq!(config.log.level, "debug");
        assert_eq!(config.log.format, LogFormat::Json);
    }

    #[test]
    fn the_environment_is_named() {
        let command = Args::command();
        for (id, variable) in
            [("config", "FOREBAY_CONFIG"), ("listen", "FOREBAY_LISTEN"), ("log", "FOREBAY_LOG")]
        {
            let arg = command.get_arguments().find(|arg| arg.get_id() == id).unwrap();
            assert_eq!(arg.get_env().unwrap(), variable);
        }
    }

    #[test]
    fn commands_take_the_configuration_before_and_behind() {
        for line in ["forebay --config a.toml check", "forebay check --config a.toml"] {
            let args = parse(line).unwrap();
            assert_eq!(args.config, Path::new("a.toml"));
            assert!(matches!(args.command, Some(Command::Check { file: None })), "{line}");
        }
        let args = parse("forebay check b.toml").unwrap();
        assert!(
            matches!(args.command, Some(Command::Check { file: Some(file) }) if file == Path::new("b.toml"))
        );
    }

    #[test]
    fn a_probe_is_a_source() {
        let line = "forebay probe http://joe:pw@h/a.ts --header X-Key:_secret --header Accept:_*/* --user-agent VLC/3 \
                    --program 2 --seconds 3 --json";
        let Some(Command::Probe(probe)) = parse(line).unwrap().command else { panic!("another command") };
        assert_eq!((probe.limit(), probe.json, probe.program), (Duration::from_secs(3), true, Some(2)));
        let source = probe.source();
        assert_eq!(source.user_agent.as_deref(), Some("VLC/3"));
        assert_eq!(source.headers[0].1.to_str().unwrap(), "secret");
        let shown = format!("{probe:?}");
        assert!(!shown.contains("secret") && !shown.contains("pw"), "{shown}");
    }

    #[test]
    fn wrong_words_are_explained() {
        for (line, piece) in [
            ("forebay --log inof", "did you mean \"info\"?"),
            ("forebay --log-format xml", "[possible values: auto, text, json]"),
            ("forebay --listen 8080", "invalid socket address"),
            ("forebay probe rtmp://h/", "expected http, https, page, file, udp, rtp or testcard"),
            ("forebay probe http://h/ --header Referer", "a colon is missing"),
            ("forebay probe http://h/ --header Range:_bytes=0-", "Range is set by Forebay itself"),
            ("forebay probe http://h/ --program 0", "0 is not in 1..=65535"),
            ("forebay probe http://h/ --seconds 0", "0 is not in 1..=3600"),
            (
                "forebay probe http://h/ --target myspace",
                "known are youtube, twitch, facebook, kick, generic",
            ),
            ("forebay serve", "unrecognized subcommand"),
        ] {
            let message = parse(line).unwrap_err().to_string();
            assert!(message.contains(piece), "{line}: {message}");
        }
    }
}
