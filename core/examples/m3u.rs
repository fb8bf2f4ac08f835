//! Says how a list of channels is read: a line of JSON for each entry, and one for the whole.
//!
//!     cargo run -p forebay-core --example m3u -- FILE
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::io::Write as _;

use forebay_core::lineup::m3u::{Item, Options, Parser};
use serde_json::json;

fn main() -> std::io::Result<()> {
    let path = std::env::args_os().nth(1).ok_or_else(|| std::io::Error::other("which file?"))?;
    let bytes = std::fs::read(path)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut failed = None;
    let mut take = |item: Item<'_>| {
        if let Item::Entry { entry, kind, .. } = item {
            let kind = format!("{kind:?}");
            let line =
                json!({ "name": entry.name(), "group": entry.group(), "url": entry.url(), "kind": kind });
            failed = writeln!(out, "{line}").err().or_else(|| failed.take());
        }
    };
    let mut parser = Parser::new(Options::default());
    parser.push(&bytes, &mut take);
    let summary = parser.finish(&mut take);
    if let Some(error) = failed {
        return Err(error);
    }
    writeln!(
        out,
        "{}",
        json!({ "document": format!("{:?}", summary.document), "faults": format!("{:?}", summary.faults) })
    )
}
