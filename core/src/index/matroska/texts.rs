//! The subtitles of one segment, where a file has them as text.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::super::Error;
use super::super::layouts::matroska::{Layout, TextCoding};
use super::super::source::{Lane, Pause, Source};
use super::walk::{Block, Walk};
use crate::subtitles::{Cue, spoken, styled};

/// The largest block of text that is read: a screen full of it has less.
const MAX_TEXT: u64 = 64 * 1024;

/// The most cues of a segment.
const MAX_CUES: usize = 10_000;

/// How long text is shown that does not say so.
const SHOWN: u64 = 3000;

/// Reads the blocks of a track of text.
#[derive(Debug)]
pub(in crate::index) struct Texts {
    layout: Arc<Layout>,
    /// Its place among the tracks of text.
    text: usize,
    n: usize,
    walk: Walk,
    /// A block whose content is wanted.
    pending: Option<Block>,
    cues: Vec<Cue>,
}

impl Texts {
    /// What track `text` shows in segment `n`.
    pub(in crate::index) fn new(layout: &Arc<Layout>, text: usize, n: usize) -> Self {
        // What began in the segment before may go on in this one.
        let walk = match n.checked_sub(1).filter(|&before| before > 0) {
            Some(before) => Walk::new(layout.marks[before].cluster, None, layout.end),
            None => Walk::new(layout.begin, None, layout.end),
        };
        Self { layout: Arc::clone(layout), text, n, walk, pending: None, cues: Vec::new() }
    }

    /// Goes on until all are known.
    pub(in crate::index) fn run(&mut self, source: &mut Source) -> Result<Vec<Cue>, Pause> {
        let layout = Arc::clone(&self.layout);
        let number = layout.texts[self.text].number;
        loop {
            if let Some(block) = &self.pending {
                let cues = read(source, block, &layout, self.text)?;
                self.cues.extend(cues);
                self.pending = None;
            }
            let Some(block) = self.walk.next(source)? else { break };
            let next = layout.marks.get(self.n + 1);
            let is_next = next.is_some_and(|next| layout.clock.reaches(block.time, next.time));
            if block.track == layout.reference && block.is_key && is_next {
                break;
            }
            if block.track == number {
                if self.cues.len() == MAX_CUES {
                    let limit = MAX_CUES as u64;
                    return Err(Error::TooLarge { what: "subtitles between two key frames", limit }.into());
                }
                self.pending = Some(block);
            }
        }
        Ok(std::mem::take(&mut self.cues))
    }
}

/// What a block shows, if it is anything.
fn read(source: &mut Source, block: &Block, layout: &Layout, text: usize) -> Result<Option<Cue>, Pause> {
    let range: &Range<u64> = &block.frames.all()[0];
    let size = (range.end - range.start).min(MAX_TEXT);
    if size == 0 {
        return Ok(None);
    }
    // In a lane of its own: the walk goes on where it was.
    let bytes =
        source.get(Lane::Times, range.start, usize::try_from(size).expect("it is short"), range.end)?;
    let content = String::from_utf8_lossy(bytes);
    let zero = layout.marks[0].time;
    let Ok(begin) = u64::try_from(layout.clock.ticks(block.time - zero, 1000)) else { return Ok(None) };
    let span = block.duration.and_then(|span| i64::try_from(span).ok());
    let span = span.and_then(|span| u64::try_from(layout.clock.ticks(span, 1000)).ok());
    let span = span.filter(|&span| span > 0).unwrap_or(SHOWN);
    let (begin, end) = (Duration::from_millis(begin), Duration::from_millis(begin.saturating_add(span)));
    Ok(match layout.texts[text].coding {
        TextCoding::Plain => spoken(begin, end, &content),
        TextCoding::Styled => styled(begin, end, &content),
    })
}
