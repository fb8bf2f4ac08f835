//! Times in units of one timescale and of another.

/// A time in units of `from` as one in units of `to`, rounded to the nearest.
pub(super) fn convert(time: i64, from: u32, to: u32) -> i64 {
    let (from, to) = (i128::from(from), i128::from(to));
    let time = (2 * i128::from(time) * to + from).div_euclid(2 * from);
    i64::try_from(time).unwrap_or(if time < 0 { i64::MIN / 4 } else { i64::MAX / 4 })
}
