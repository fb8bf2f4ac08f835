//! Edit lists: how far the times of a track are moved (ISO/IEC 14496-12, 8.6.6).

use super::outline::number;

/// What the edit list adds to every time of a track, in units of its timescale: the empty edits in
/// front of the media, less the place where the media begins. Encoders take priming and reordering
/// out by it, and without it picture and sound are apart by as much. The first edit with media
/// counts; what comes behind it cannot be said in parts.
pub(super) fn shift(list: &[u8], timescale: u32, movie_timescale: u32) -> i64 {
    let is_wide = list.first() == Some(&1);
    let stride = if is_wide { 20 } else { 12 };
    let edits = list.get(8..).unwrap_or_default().chunks_exact(stride).take(number(list, 4) as usize);
    let mut empty: i128 = 0;
    for edit in edits {
        let wide = |at: usize| u64::from(number(edit, at)) << 32 | u64::from(number(edit, at + 4));
        let (duration, begins) = if is_wide {
            (wide(0), wide(8).cast_signed())
        } else {
            (number(edit, 0).into(), number(edit, 4).cast_signed().into())
        };
        if begins >= 0 {
            let empty = empty * i128::from(timescale) / i128::from(movie_timescale.max(1));
            return i64::try_from(empty - i128::from(begins)).unwrap_or(0);
        }
        empty += i128::from(duration);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_the_media_and_empty_edits_move_a_track() {
        let list = |edits: &[(u32, i32)]| {
            let fields = |&(duration, begins): &(u32, i32)| {
                [duration.to_be_bytes(), begins.to_be_bytes(), [0, 1, 0, 0]].concat()
            };
            let count = u32::try_from(edits.len()).unwrap().to_be_bytes();
            [vec![0; 4], count.to_vec(), edits.iter().flat_map(fields).collect()].concat()
        };
        for (edits, expected) in [
            (&[][..], 0),
            (&[(1000, 1024)], -1024),
            (&[(500, -1), (1000, 0)], 24_000),
            (&[(500, -1), (1000, 1024)], 24_000 - 1024),
            (&[(1000, 0), (1000, 48_000)], 0),
            (&[(1000, -1)], 0),
        ] {
            assert_eq!(shift(&list(edits), 48_000, 1000), expected, "{edits:?}");
        }
        // A list that says it is longer than it is, and one with wide fields.
        let mut long = list(&[(1000, 1024)]);
        long[7] = 200;
        assert_eq!(shift(&long, 48_000, 1000), -1024);
        let wide = [&[1, 0, 0, 0, 0, 0, 0, 1], &[0; 8][..], &(1_i64 << 33).to_be_bytes(), &[0, 1, 0, 0]];
        assert_eq!(shift(&wide.concat(), 48_000, 1000), -(1 << 33));
        assert_eq!((shift(&[], 1, 1), shift(&[0; 8], 1, 0)), (0, 0));
    }
}
