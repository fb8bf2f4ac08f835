//! The numbers by which players of Xtream Codes and their favourites know channels and films. They
//! are positive and fit into 31 bits, since players keep them in such.

/// Ids of channels of playlists: this and the number of the row, which is never given twice.
pub const OF_PLAYLISTS: u32 = 1 << 28;

/// Ids of relays, in the same way. Below both, numbers are those of channels.
pub const OF_RELAYS: u32 = 2 << 28;

/// Ids of channels of the configuration, which have no rows: this and 30 bits of a hash.
pub const OF_FILE: u32 = 1 << 30;

/// The hash of FNV-1a (Fowler, Noll, Vo), folded into `bits` bits. It is for ever: players keep
/// what comes of it.
pub fn hash(text: &[u8], bits: u32) -> u32 {
    let hash =
        text.iter().fold(0x811C_9DC5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash >> bits ^ hash) & (u32::MAX >> (32 - bits))
}

/// The id of the row with this number in the range that begins at `first`; none for one that does
/// not fit.
pub fn of_row(first: u32, row: i64) -> Option<u32> {
    u32::try_from(row).ok().filter(|&row| row < OF_PLAYLISTS).map(|row| first + row)
}

/// The number of the row in the range that begins at `first`; none where the id is of another one.
pub fn row_of(first: u32, id: u32) -> Option<u32> {
    id.checked_sub(first).filter(|&row| row < OF_PLAYLISTS)
}

/// An id for each of these texts. Where two have the same hash, the second gets the next free id.
pub fn of_texts<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<u32> {
    let mut taken = std::collections::HashSet::new();
    let bits = OF_FILE - 1;
    let id = |text: &str| {
        let mut at = hash(text.as_bytes(), 30);
        while !taken.insert(at) {
            at = at.wrapping_add(1) & bits;
        }
        OF_FILE + at
    };
    texts.map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_for_ever_and_fit_into_31_bits() {
        // As they were in the first release that has them.
        assert_eq!(
            of_texts(["one", "two", "one"].into_iter()),
            [2_049_382_893, 2_116_323_371, 2_049_382_894]
        );
        assert_eq!(of_row(OF_PLAYLISTS, 7), Some(268_435_463));
        assert_eq!(of_row(OF_RELAYS, 7), Some(536_870_919));
        let last = i64::from(OF_PLAYLISTS) - 1;
        assert!(of_row(OF_RELAYS, last).unwrap() < OF_FILE);
        assert_eq!(of_row(OF_PLAYLISTS, last + 1), None);
        assert!(of_texts(["x"].into_iter())[0] <= i32::MAX.cast_unsigned());
    }

    #[test]
    fn a_row_is_found_by_its_id_and_by_no_other_one() {
        for row in [0, 1, 99_999, OF_PLAYLISTS - 1] {
            for first in [OF_PLAYLISTS, OF_RELAYS] {
                let id = of_row(first, i64::from(row)).unwrap();
                assert_eq!(row_of(first, id), Some(row));
                assert_eq!(row_of(OF_PLAYLISTS + OF_RELAYS - first, id), None);
            }
        }
        assert_eq!(row_of(OF_PLAYLISTS, 5), None);
    }
}
