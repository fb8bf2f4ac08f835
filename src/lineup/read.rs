//! Documents on the disk become entries.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::ops::ControlFlow;
use std::path::Path;

use forebay_core::lineup::m3u::{self, Document, ExtraUrls, Item, Parser};
use forebay_core::lineup::xtream::{Account, Categories, Elements, LiveStreams, Output};
use forebay_core::lineup::{Entry, Kind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::spool::Form;
use crate::config::playlist::{Origin, Playlist};

/// What is read at a time.
const PIECE: usize = 64 * 1024;

/// The line of a panel's categories is no longer: it has been written by us.
const MAX_CATEGORIES_BYTES: u64 = 4 << 20;

/// What was in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Contents {
    /// Channels.
    pub live: u64,
    /// Films, which are left out.
    pub movies: u64,
    /// Episodes of series, which are left out.
    pub episodes: u64,
    /// Faults of the list that cost a part of an entry, or an entry.
    pub faults: u64,
    /// Addresses of guides that the list names.
    pub guides: Vec<String>,
}

/// How reading ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) document: Document,
    pub(super) is_whole: bool,
    pub(super) contents: Contents,
}

/// Guides that are remembered of a list.
const MAX_GUIDES: usize = 20;

/// Takes an entry; `true` with it says that it is a further address of the one before.
type Take<'a> = &'a mut dyn FnMut(&Entry, bool) -> ControlFlow<()>;

/// Hands out the channels of a document until it ends or `take` says so. `tick` is asked now and
/// then whether to go on.
pub(super) fn read(
    path: &Path,
    form: &Form,
    playlist: &Playlist,
    take: Take<'_>,
    tick: &mut impl FnMut() -> ControlFlow<()>,
) -> io::Result<Option<End>> {
    let file = BufReader::with_capacity(PIECE, File::open(path)?);
    match (form, &playlist.origin) {
        (Form::Panel, Origin::Xtream(panel)) => read_panel(file, &panel.account, panel.output, take, tick),
        (Form::List { base, charset }, _) => {
            let reading = &playlist.reading;
            let charset = reading.charset.clone().or_else(|| charset.clone());
            let options = m3u::Options { base: base.clone(), charset, extra_urls: reading.extra_urls };
            read_list(file, options, take, tick)
        }
        // The playlist was something else when it was fetched.
        (Form::Panel, _) => Err(io::Error::other("it is what a panel said, and this is no account")),
    }
}

fn read_list(
    mut file: BufReader<File>,
    options: m3u::Options,
    take: Take<'_>,
    tick: &mut impl FnMut() -> ControlFlow<()>,
) -> io::Result<Option<End>> {
    debug_assert!(matches!(options.extra_urls, ExtraUrls::Ignore | ExtraUrls::Alternates));
    let mut parser = Parser::new(options);
    let (mut flow, mut guides) = (ControlFlow::Continue(()), Vec::new());
    let mut handle = |item: Item<'_>| match item {
        Item::Entry { entry, kind: Kind::Live, is_alternate } if flow.is_continue() => {
            flow = take(entry, is_alternate);
        }
        Item::Entry { .. } => {}
        Item::Header(header) => {
            let new = header.guides().into_iter().map(str::to_owned);
            guides.extend(new.take(MAX_GUIDES - guides.len().min(MAX_GUIDES)));
        }
    };
    loop {
        let piece = file.fill_buf()?;
        let length = piece.len();
        if length == 0 {
            break;
        }
        parser.push(piece, &mut handle);
        file.consume(length);
        if tick().is_break() {
            return Ok(None);
        }
    }
    let summary = parser.finish(&mut handle);
    if flow.is_break() {
        return Ok(None);
    }
    let m3u::Faults { long_lines, bad_characters, missing_urls, stray_lines, missing_commas, bad_attributes } =
        summary.faults;
    let contents = Contents {
        live: summary.live,
        movies: summary.movies,
        episodes: summary.episodes,
        faults: long_lines + bad_characters + missing_urls + stray_lines + missing_commas + bad_attributes,
        guides,
    };
    Ok(Some(End { document: summary.document, is_whole: true, contents }))
}

fn read_panel(
    mut file: BufReader<File>,
    account: &Account,
    output: Output,
    take: Take<'_>,
    tick: &mut impl FnMut() -> ControlFlow<()>,
) -> io::Result<Option<End>> {
    let mut line = Vec::new();
    (&mut file).take(MAX_CATEGORIES_BYTES).read_until(b'\n', &mut line)?;
    let (mut categories, mut elements) = (Categories::default(), Elements::default());
    elements.push(&line, &mut |_, element| {
        categories.read(element);
    });
    let mut streams = LiveStreams::new(account, output, &categories);
    let mut flow = ControlFlow::Continue(());
    loop {
        let piece = file.fill_buf()?;
        let length = piece.len();
        if length == 0 {
            break;
        }
        streams.push(piece, &mut |entry| {
            if flow.is_continue() {
                flow = take(entry, false);
            }
        });
        file.consume(length);
        if flow.is_break() || tick().is_break() {
            return Ok(None);
        }
    }
    let summary = streams.finish();
    let contents =
        Contents { live: summary.live, movies: summary.others, faults: summary.bad, ..Contents::default() };
    Ok(Some(End { document: summary.document, is_whole: summary.is_whole, contents }))
}
