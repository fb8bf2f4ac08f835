//! What users say of pairs of channels: that they are one, or two.

use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::merge::{Decision, Decisions, Pair};
use rusqlite::Connection;

use super::id_of;
use crate::db::Error;

/// All decisions.
pub fn decisions(connection: &Connection) -> Result<Decisions, Error> {
    let mut statement = connection.prepare("SELECT channel_id, other_id, decision FROM merge_decisions")?;
    let mut rows = statement.query([])?;
    let mut decisions = Decisions::default();
    while let Some(row) = rows.next()? {
        let pair = Pair::new(id_of(row, "channel_id")?, id_of(row, "other_id")?);
        let decision = match &*row.get::<_, String>("decision")? {
            "force" => Some(Decision::Force),
            "forbid" => Some(Decision::Forbid),
            _ => None,
        };
        let damaged = || Error::Damaged("a decision about two channels cannot be read".to_owned());
        let (pair, decision) = pair.zip(decision).ok_or_else(damaged)?;
        decisions.decide(pair, Some(decision));
    }
    Ok(decisions)
}

/// Writes a decision, or takes it back. Both channels are there.
pub fn decide(connection: &Connection, pair: Pair, decision: Option<Decision>) -> Result<(), Error> {
    let (SourceId(one), SourceId(other)) = pair.channels();
    let word = match decision {
        Some(Decision::Force) => "force",
        Some(Decision::Forbid) => "forbid",
        None => {
            let sql = "DELETE FROM merge_decisions WHERE channel_id = ?1 AND other_id = ?2";
            connection.execute(sql, (one, other))?;
            return Ok(());
        }
    };
    connection.execute("INSERT OR REPLACE INTO merge_decisions VALUES (?1, ?2, ?3)", (one, other, word))?;
    Ok(())
}
