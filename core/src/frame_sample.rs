//! One picture of a stream, decoded and made very small: whether it is black, and whether it is the
//! same as another.
//!
//! It is a second opinion: who suspects a stream by the sizes of its pictures has one decoded, and
//! asks here.

/// Samples in a line.
pub const WIDTH: usize = 64;

/// Lines. So small, noise and the artefacts of an encoder are averaged away, and what somebody
/// would see stays.
pub const HEIGHT: usize = 36;

/// Samples in a picture.
pub const SIZE: usize = WIDTH * HEIGHT;

/// The mean of a black picture is at most this, of 255: video has black at 16 where it is not
/// spread to the whole range.
const BLACK_MEAN: usize = 20;

/// No part of a black picture is brighter than its mean by more than this: a scene at night has
/// lights, and credits have letters.
const BLACK_SPREAD: usize = 12;

/// Of two pictures that are the same, samples differ by less than half a step of 255 in the mean,
/// as coded anew they do.
const SAME_PERCENT: usize = 50;

/// And no sample by more than this: a clock or a line of text that moves is small, and a picture
/// with one goes on.
const SAME_PEAK: usize = 12;

/// What one picture looks like: the brightness of each of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameSample(Vec<u8>);

impl FrameSample {
    /// A picture of [`SIZE`] samples of brightness, 0 to 255, line by line; `None` when there are
    /// more or fewer.
    pub fn new(samples: Vec<u8>) -> Option<Self> {
        (samples.len() == SIZE).then_some(Self(samples))
    }

    /// Whether there is nothing to be seen.
    pub fn is_black(&self) -> bool {
        let mean = mean(self.0.iter().map(|&sample| usize::from(sample)), 1);
        let brightest = self.0.iter().max().map_or(0, |&sample| usize::from(sample));
        mean <= BLACK_MEAN && brightest <= mean + BLACK_SPREAD
    }

    /// Whether nobody could tell this picture from `other`: of two that were taken seconds apart,
    /// the picture stands.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let differences = || self.0.iter().zip(&other.0).map(|(&a, &b)| usize::from(a.abs_diff(b)));
        mean(differences(), 100) < SAME_PERCENT && differences().all(|difference| difference <= SAME_PEAK)
    }
}

/// The mean of [`SIZE`] samples, in parts of `scale`.
fn mean(samples: impl Iterator<Item = usize>, scale: usize) -> usize {
    samples.sum::<usize>() * scale / SIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(brightness: impl Fn(usize, usize) -> u8) -> FrameSample {
        let samples = (0..SIZE).map(|at| brightness(at % WIDTH, at / WIDTH)).collect();
        FrameSample::new(samples).expect("the right size")
    }

    #[test]
    fn a_sample_has_one_size() {
        for length in [0, SIZE - 1, SIZE + 1] {
            assert_eq!(FrameSample::new(vec![0; length]), None);
        }
    }

    #[test]
    fn black_is_dark_everywhere() {
        for black in [0, 16, 20] {
            assert!(sample(|_, _| black).is_black(), "{black}");
        }
        assert!(sample(|x, y| if (x + y) % 7 == 0 { 18 } else { 16 }).is_black(), "with noise");
        assert!(!sample(|_, _| 21).is_black(), "dark grey");
        assert!(!sample(|x, y| if (x, y) == (10, 10) { 60 } else { 16 }).is_black(), "a light at night");
        assert!(!sample(|x, _| u8::try_from(x).unwrap()).is_black(), "a slope");
    }

    #[test]
    fn the_same_is_the_same_everywhere() {
        let scene = |x: usize, y: usize| u8::try_from((x * 3 + y * 2) % 256).unwrap();
        let still = sample(scene);
        assert!(still.is_same_as(&still));
        assert!(
            still.is_same_as(&sample(|x, y| scene(x, y).saturating_add(u8::from(x % 3 == 0)))),
            "coded anew"
        );
        assert!(!still.is_same_as(&sample(|x, y| scene(x, y).saturating_add(1))), "a fade");
        assert!(!still.is_same_as(&sample(|x, y| scene(x + 1, y))), "a pan");
        let clock = |x, y| if (60..62).contains(&x) && y == 2 { 250 } else { scene(x, y) };
        assert!(!still.is_same_as(&sample(clock)), "a clock in a corner");
    }
}
