//! Lists and accounts without a program: the same as `forebay import`, with all addresses of a
//! channel.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, bail};
use forebay_core::lineup::Kind;
use forebay_core::lineup::m3u::{Document, ExtraUrls, Item, Options, Parser};
use forebay_core::lineup::xtream::Account;
use serde_json::{Map, Value};

use super::plan::{Plan, Playlist};
use crate::accounts::secret::Secret;
use crate::cli::args::Import;
use crate::cli::check::count;

/// What is read at a time.
const PIECE: usize = 64 * 1024;

/// Reads a list, which is looked through where it is a file.
pub(super) fn list(import: &Import) -> anyhow::Result<Plan> {
    let mut plan = Plan::default();
    let what = if import.url().is_some() {
        "a list that is read again from time to time".to_owned()
    } else {
        look(Path::new(&import.source), &mut plan)?
    };
    let settings = Map::from_iter([("alternates".to_owned(), Value::Bool(true))]);
    plan.playlists.push(playlist(import, settings, what));
    Ok(plan)
}

/// Reads an address of an account.
pub(super) fn account(import: &Import) -> anyhow::Result<Plan> {
    if import.url().is_none() || Account::read(&import.source).is_err() {
        bail!("that is no address of an account: it needs its user and its password");
    }
    let settings = Map::from_iter([("kind".to_owned(), Value::from("xtream"))]);
    let what = "an account that is read again from time to time".to_owned();
    Ok(Plan { playlists: vec![playlist(import, settings, what)], ..Plan::default() })
}

fn playlist(import: &Import, settings: Map<String, Value>, what: String) -> Playlist {
    Playlist { name: import.name(), place: Secret::from(import.source.clone()), settings, what }
}

/// What is in a file.
fn look(path: &Path, plan: &mut Plan) -> anyhow::Result<String> {
    let unreadable = || format!("cannot read {}", path.display());
    let mut file = BufReader::with_capacity(PIECE, File::open(path).with_context(unreadable)?);
    let mut parser = Parser::new(Options { extra_urls: ExtraUrls::Alternates, ..Options::default() });
    let (mut channels, mut sources) = (0, 0);
    let mut take = |item: Item<'_>| {
        if let Item::Entry { kind: Kind::Live, is_alternate, .. } = item {
            channels += usize::from(!is_alternate);
            sources += 1;
        }
    };
    loop {
        let piece = file.fill_buf().with_context(unreadable)?;
        if piece.is_empty() {
            break;
        }
        parser.push(piece, &mut take);
        let length = piece.len();
        file.consume(length);
    }
    let summary = parser.finish(&mut take);
    if summary.document != Document::List {
        bail!("{} is no list of channels", path.display());
    }
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    plan.differ(number(summary.movies), "film", "is no channel, and left out");
    plan.differ(number(summary.episodes), "episode", "is no channel, and left out");
    Ok(format!("a list of {} with {}", count(channels, "channel"), count(sources, "source")))
}
