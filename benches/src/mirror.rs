//! Puts an HLS server's playlist and segments into a folder while they come, as a packager does for a server of files.

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::http;
use crate::players::{Entry, Playlist, resolve};

/// Segments that are kept when the playlist does not name them any more: players may be about to ask for them.
const KEPT: usize = 5;

/// How often a server that has no playlist is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The address of a media playlist on this machine.
    url: String,
    /// The folder that stands for the server's root; a file in memory is best (`/dev/shm`).
    folder: PathBuf,
    /// Milliseconds between two looks at the playlist.
    #[arg(long, default_value_t = 50)]
    every: u64,
}

/// Goes on until it is ended.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (server, path) = http::split_url(&args.url)?;
    let mut mirror =
        Mirror { server, path, folder: args.folder.clone(), there: VecDeque::new(), text: Vec::new() };
    loop {
        let pause = if mirror.look()? { Duration::from_millis(args.every.max(1)) } else { AGAIN };
        std::thread::sleep(pause);
    }
}

struct Mirror {
    server: SocketAddr,
    path: String,
    folder: PathBuf,
    /// The segments that are there, by number.
    there: VecDeque<(u64, PathBuf)>,
    /// The playlist as it was last.
    text: Vec<u8>,
}

impl Mirror {
    /// Takes over what is new; false where there is no playlist.
    fn look(&mut self) -> anyhow::Result<bool> {
        let Ok(text) = http::fetch(self.server, &self.path) else { return Ok(false) };
        let Some(list) = std::str::from_utf8(&text).ok().and_then(Playlist::parse) else { return Ok(false) };
        if text == self.text {
            return Ok(true);
        }
        for Entry { number, uri, .. } in &list.segments {
            if self.there.back().is_some_and(|&(last, _)| last >= *number) {
                continue;
            }
            let path = resolve(&self.path, uri);
            // What is gone already is of no use to players either.
            let Ok(bytes) = http::fetch(self.server, &path) else { continue };
            self.there.push_back((*number, self.put(&path, &bytes)?));
        }
        self.put(&self.path, &text)?;
        self.text = text;
        let gone = self.there.partition_point(|&(number, _)| number < list.first).saturating_sub(KEPT);
        for (_, file) in self.there.drain(..gone) {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(true)
    }

    /// Writes a file whole: nobody sees a part of it.
    fn put(&self, path: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
        let name = path.split('?').next().unwrap_or_default().trim_start_matches('/');
        let file = self.folder.join(name);
        let context = || format!("cannot write {}", file.display());
        fs::create_dir_all(file.parent().unwrap_or_else(|| Path::new("/"))).with_context(context)?;
        let temporary = file.with_extension("part");
        fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, &file)).with_context(context)?;
        Ok(file)
    }
}
