//! Comparison of what was received with what was sent, payload by payload.

use std::collections::HashMap;

use super::demux::Pes;

/// A stretch of received PES packets that equals a contiguous stretch of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Which source, by its place in the list.
    pub source: usize,
    /// Index in the source of the first PES packet.
    pub first: usize,
    /// How many PES packets; more than the source has, if it was looped.
    pub length: usize,
}

/// Checks that the complete payloads of `got` are byte for byte a contiguous run of `source`, which may loop.
///
/// Incomplete packets are allowed only at both ends of `got`. The error says what did not match.
pub fn contains_in_order(source: &[Pes], got: &[Pes]) -> Result<Run, String> {
    let found = runs(&[source], got)?;
    match found[..] {
        [run] => Ok(run),
        _ => Err(format!("not one contiguous run of the source, but {}: {found:?}", found.len())),
    }
}

/// Explains `got` as runs of `sources`, each of which may loop: one run per switch of source, repeat or loss.
///
/// Each run is the longest possible. The error names the first payload which no source has.
pub fn runs(sources: &[&[Pes]], got: &[Pes]) -> Result<Vec<Run>, String> {
    let first = got.iter().position(|pes| pes.complete).ok_or("no complete PES packet was received")?;
    let last = got.iter().rposition(|pes| pes.complete).unwrap_or(first);
    let got = &got[first..=last];
    if let Some(at) = got.iter().position(|pes| !pes.complete) {
        return Err(format!("PES packet {} of {} is incomplete", first + at, first + got.len()));
    }
    let mut places: HashMap<&[u8], Vec<(usize, usize)>> = HashMap::new();
    for (index, source) in sources.iter().enumerate() {
        for (at, pes) in source.iter().enumerate() {
            places.entry(&pes.payload[..]).or_default().push((index, at));
        }
    }
    let mut found = Vec::new();
    let mut at = 0;
    while at < got.len() {
        let best = places.get(&got[at].payload[..]).into_iter().flatten().map(|&(source, first)| {
            let looped = sources[source].iter().cycle().skip(first);
            let length = looped.zip(&got[at..]).take_while(|(a, b)| a.payload == b.payload).count();
            Run { source, first, length }
        });
        let Some(run) = best.max_by_key(|run| run.length) else {
            return Err(format!(
                "no source has PES packet {} ({:?}); before it: {found:?}",
                first + at,
                got[at]
            ));
        };
        at += run.length;
        found.push(run);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(payloads: &[u8]) -> Vec<Pes> {
        let pes = |byte: &u8| Pes {
            stream_id: 0xe0,
            pts: None,
            dts: None,
            random_access: false,
            payload: vec![*byte; 3],
            complete: *byte != 0,
        };
        payloads.iter().map(pes).collect()
    }

    #[test]
    fn a_looped_source_is_one_run() {
        let run = contains_in_order(&list(&[1, 2, 3, 4]), &list(&[0, 3, 4, 1, 2, 3, 0])).unwrap();
        assert_eq!(run, Run { source: 0, first: 2, length: 5 });
    }

    #[test]
    fn loss_change_and_damage_are_found() {
        let source = list(&[1, 2, 3, 4]);
        assert!(contains_in_order(&source, &list(&[1, 3])).unwrap_err().contains("not one contiguous run"));
        assert!(contains_in_order(&source, &list(&[1, 2, 9])).unwrap_err().contains("no source has"));
        assert!(contains_in_order(&source, &list(&[1, 0, 2])).unwrap_err().contains("incomplete"));
        assert!(contains_in_order(&source, &list(&[0])).unwrap_err().contains("no complete"));
    }

    #[test]
    fn a_switch_is_two_runs() {
        let (a, b) = (list(&[1, 2, 3]), list(&[7, 8, 9]));
        let found = runs(&[&a, &b], &list(&[2, 3, 1, 8, 9])).unwrap();
        assert_eq!(found.iter().map(|run| (run.source, run.length)).collect::<Vec<_>>(), [(0, 3), (1, 2)]);
    }
}
