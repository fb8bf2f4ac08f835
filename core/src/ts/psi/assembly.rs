//! Tables that come in several sections.

use super::{Pat, Pmt};

/// A table that may come in several sections (2.4.4.4, `section_number`).
pub trait Table: Clone {
    /// Reads one section.
    fn parse(section: &[u8]) -> Option<Self>;

    /// Adds what the next section of the same table says.
    fn extend(&mut self, next: Self);
}

impl Table for Pat {
    fn parse(section: &[u8]) -> Option<Self> {
        Self::parse(section)
    }

    fn extend(&mut self, next: Self) {
        self.programs.extend(next.programs);
    }
}

impl Table for Pmt {
    fn parse(section: &[u8]) -> Option<Self> {
        Self::parse(section)
    }

    /// The standard wants a PMT in one section. Of one that comes in several, the first names the
    /// clock.
    fn extend(&mut self, next: Self) {
        self.streams.extend(next.streams);
    }
}

/// Puts a table together from its sections.
#[derive(Debug)]
pub struct Assembly<T> {
    version: u8,
    /// The sections that came, by their numbers.
    sections: Vec<Option<T>>,
    /// Sections that came although they were there already.
    repeats: u32,
}

impl<T> Default for Assembly<T> {
    fn default() -> Self {
        Self { version: 0, sections: Vec::new(), repeats: 0 }
    }
}

impl<T: Table> Assembly<T> {
    /// The most sections that one table is put together from: 4,000 programmes.
    const MAX_SECTIONS: usize = 16;

    /// Repeated sections after which those that are still missing are not waited for.
    const ENOUGH_REPEATS: u32 = 3;

    /// Takes a section, which must be of the table that is put together, and gives that if it is
    /// complete: when each of its sections has come, or some have come again and again without the
    /// others.
    pub fn push(&mut self, section: &[u8]) -> Option<T> {
        let table = T::parse(section)?;
        let (version, number, last) = (section[5] >> 1 & 0x1F, section[6], section[7]);
        let (number, count) = (usize::from(number), usize::from(last) + 1);
        if count == 1 || number >= count.min(Self::MAX_SECTIONS) {
            return (count == 1).then_some(table);
        }
        let count = count.min(Self::MAX_SECTIONS);
        if version != self.version || count != self.sections.len() {
            *self = Self { version, sections: vec![None; count], repeats: 0 };
        }
        let is_repeated = self.sections[number].replace(table).is_some();
        self.repeats += u32::from(is_repeated && self.repeats < Self::ENOUGH_REPEATS);
        let is_complete = self.sections.iter().all(Option::is_some);
        if !is_complete && self.repeats < Self::ENOUGH_REPEATS {
            return None;
        }
        let mut sections = self.sections.iter().flatten().cloned();
        let first = sections.next()?;
        Some(sections.fold(first, |mut table, next| {
            table.extend(next);
            table
        }))
    }
}
