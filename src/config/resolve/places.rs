//! Where fields stand in the text.

use std::ops::Range;

use forebay_relay::model::{FieldPath, Step};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::error::Faults;

/// A text, read once more for the places in it.
pub(super) struct Places<'a> {
    document: Spanned<DeTable<'a>>,
    /// Where the lines of the text end.
    ends: Vec<usize>,
    faults: Faults,
}

impl<'a> Places<'a> {
    /// Reads a text that was read without an error before.
    pub(super) fn of(text: &'a str) -> Self {
        let document = DeTable::parse(text).expect("it was read before");
        let ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { document, ends, faults: Faults::default() }
    }

    /// Notes a fault of what stands at `path`.
    pub(super) fn fault(&mut self, path: &FieldPath, message: String) {
        let at = self.span(path).start;
        self.faults.push(at, message);
    }

    /// The line in which it stands, from 1.
    pub(super) fn line(&self, path: &FieldPath) -> usize {
        let at = self.span(path).start;
        self.ends.partition_point(|&end| end < at) + 1
    }

    pub(super) fn into_faults(self) -> Faults {
        self.faults
    }

    /// Of a key that is missing, it is the table which lacks it.
    fn span(&self, path: &FieldPath) -> Range<usize> {
        let mut span = self.document.span();
        let mut at = Node::Table(self.document.get_ref());
        for step in path.steps() {
            let next = match (at, step) {
                (Node::Table(table), Step::Key(key)) => table.get(key.as_ref()),
                (Node::Table(table), Step::Name(name)) => {
                    // It is the last step: behind a name is nothing.
                    return table.get_key_value(name.as_str()).map_or(span, |(key, _)| key.span());
                }
                (Node::List(list), &Step::Index(index)) => list.get(index),
                _ => None,
            };
            let Some(value) = next else { return span };
            span = value.span();
            at = match value.get_ref() {
                DeValue::Table(table) => Node::Table(table),
                DeValue::Array(list) => Node::List(list),
                _ => Node::Value,
            };
        }
        span
    }
}

/// What a value holds.
#[derive(Clone, Copy)]
enum Node<'a> {
    Table(&'a DeTable<'a>),
    List(&'a [Spanned<DeValue<'a>>]),
    Value,
}
