//! What follows from all channels together: their numbers here, and which of them are one in
//! [`merging`].

use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::number::{ChannelNumber, Claim, assign};
use rusqlite::Connection;

use super::merging;
use super::touched::Touched;
use crate::config::Config;
use crate::db::Error;
use crate::db::lineup::{self, Changed, Hidden, NumberRow};

/// Writes what follows from what was touched, and says what has changed for viewers.
pub(super) fn settle(
    connection: &Connection,
    config: &Config,
    mut touched: Touched,
) -> Result<Changed, Error> {
    if touched.is_empty() {
        return Ok(Changed::default());
    }
    // In front of the numbers: what is listed for another takes none.
    let has_parted = merging::merge_all(connection, &mut touched)?;
    if touched.is_numbering_due() || has_parted {
        number(connection, config, &mut touched)?;
    }
    let changed = touched.into_changed(connection)?;
    if !changed.is_empty() {
        lineup::bump_version(connection)?;
    }
    Ok(changed)
}

/// What follows for the others when a playlist is gone.
pub(super) fn after_removal(connection: &Connection, config: &Config) -> Result<Changed, Error> {
    let mut touched = Touched::begin(connection)?;
    touched.merge_anew();
    let changed = settle(connection, config, touched)?;
    lineup::bump_version(connection)?;
    Ok(changed)
}

/// Gives numbers to channels that have none, or may not have theirs. All others keep them.
fn number(connection: &Connection, config: &Config, touched: &mut Touched) -> Result<(), Error> {
    // Channels of the configuration and relays have theirs already.
    let others = config.channels.iter().filter_map(|channel| channel.number);
    let mut claims: Vec<Claim> =
        others.chain(lineup::relay_numbers(connection)?).map(claim_of_other).collect();
    let first = claims.len();
    let edits = lineup::numbers_set(connection)?;
    let mut rows = lineup::number_rows(connection)?;
    // One that a rule leaves out takes no number from the others, nor does a further source.
    rows.retain(|row| row.number.is_some() || (row.hidden != Hidden::ByRule && !row.is_behind));
    claims.reserve_exact(rows.len());
    for row in &rows {
        let provider = match row.number {
            Some(_) => None,
            // It was left out until now.
            None => number_in_list(connection, row.id)?,
        };
        let edit = edits.get(&row.id).copied();
        claims.push(Claim { current: row.number, edit, range: row.range.clone(), provider });
    }
    // Those of others are claims as well, in front, and are not ours to write.
    let numbers = assign(&claims).numbers.split_off(first);
    for (NumberRow { id, number: before, .. }, number) in rows.into_iter().zip(numbers) {
        // A write for each channel would mark all of them as changed, and reopen what is watched.
        if number != before {
            let can_be_had = lineup::set_number(connection, id, number)?;
            touched.touched(id, can_be_had);
        }
    }
    Ok(())
}

fn claim_of_other(number: u32) -> Claim {
    Claim { current: ChannelNumber::whole(number), ..Claim::default() }
}

fn number_in_list(connection: &Connection, id: SourceId) -> Result<Option<ChannelNumber>, Error> {
    let source = lineup::source(connection, id)?;
    Ok(source.and_then(|source| source.entry.number()?.parse().ok()))
}
