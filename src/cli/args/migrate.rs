//! What can be typed after `forebay migrate`.

use std::path::PathBuf;

use clap::Subcommand;

/// `forebay migrate`
#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// Say what would come over from a program, and what would not; with --apply, do it
    #[command(after_help = EXAMPLES)]
    From(MigrateFrom),
}

/// `forebay migrate from`
#[derive(Debug, clap::Args)]
pub struct MigrateFrom {
    /// The program
    #[arg(value_enum)]
    pub program: Program,

    /// Where it keeps its settings: a folder (threadfin, xteve, tuliprox), a file or an address
    /// (m3u), or an address (xtream, dispatcharr)
    #[arg(value_name = "FOLDER|FILE|URL")]
    pub place: String,

    /// Do it; without this, nothing is changed
    #[arg(long)]
    pub apply: bool,

    /// What the playlist of its channels is called; the name of the program if absent
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// The file that holds a key of its API (dispatcharr)
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,

    /// Have the first tuner keep the id of the program's, so that Plex keeps its mapping
    #[arg(long)]
    pub keep_device: bool,

    /// The id to keep, where the program does not tell it: `DeviceID` in its /discover.json
    #[arg(long, value_name = "ID", requires = "keep_device")]
    pub device_id: Option<String>,
}

/// A program that people move in from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Program {
    /// The folder with xepg.json and settings.json.
    Threadfin,
    /// The same.
    Xteve,
    /// The folder with source.yml and api-proxy.yml.
    Tuliprox,
    /// Its address; with --api-key-file.
    Dispatcharr,
    /// A list.
    M3u,
    /// An address with the user and the password of an account.
    Xtream,
}

const EXAMPLES: &str = "\
Examples:
  forebay migrate from threadfin /home/threadfin/conf             what would come over?
  forebay migrate from threadfin /home/threadfin/conf --apply --keep-device
  forebay migrate from tuliprox /opt/tuliprox/config --apply
  forebay migrate from dispatcharr http://tv.lan:9191 --api-key-file key.txt
  forebay migrate from xtream 'http://provider.example/get.php?username=joe&password=…'

It works whether Forebay runs or not. The other program is only read. A second run changes nothing that is as it was.";
