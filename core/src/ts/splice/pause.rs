//! Whether a long step of a stream's stamps is a pause of that stream, as still pictures make them,
//! or a jump: in a pause, what runs beside it goes on by as much.

use super::FORWARD_JUMP;

/// How much less or more what runs beside a stream may have gone on in a pause of it, in ticks: how
/// far the streams of one source are apart when they are sent.
const APART: i64 = 2 * 90_000;

/// How far sound and clock have gone on in steps that are no jumps, in ticks.
#[derive(Debug, Default)]
pub(super) struct Pause {
    /// The sound, and the clock, since the last picture.
    beside_picture: [i64; 2],
    /// The sound, since the last clock reference.
    beside_clock: i64,
}

impl Pause {
    /// The sound has gone on by this step.
    pub(super) fn handle_sound(&mut self, ticks: i64) {
        // A step that is itself a jump explains nothing.
        if (1..=FORWARD_JUMP).contains(&ticks) {
            self.beside_picture[0] += ticks;
            self.beside_clock += ticks;
        }
    }

    /// The clock has gone on by this step; whether that is a pause of it.
    pub(super) fn handle_clock(&mut self, ticks: i64) -> bool {
        let is_pause = explains(std::mem::take(&mut self.beside_clock), ticks);
        // A pause of the clock counts in full, since the pictures may have paused with it.
        if is_pause || (1..=FORWARD_JUMP).contains(&ticks) {
            self.beside_picture[1] += ticks;
        }
        is_pause
    }

    /// The pictures have gone on by this step; whether that is a pause of them.
    pub(super) fn handle_picture(&mut self, ticks: i64) -> bool {
        // Taken both, even if the first explains it: the count begins anew with each picture.
        std::mem::take(&mut self.beside_picture).into_iter().any(|beside| explains(beside, ticks))
    }
}

fn explains(beside: i64, ticks: i64) -> bool {
    ticks > FORWARD_JUMP && (ticks - beside).abs() <= APART
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 90_000;

    #[test]
    fn a_long_step_is_a_pause_where_the_rest_goes_on() {
        let mut pause = Pause::default();
        (0..300).for_each(|_| pause.handle_sound(SECOND / 10));
        assert!(pause.handle_picture(30 * SECOND));
        assert!(!pause.handle_picture(30 * SECOND), "nothing went on since");
        (0..100).for_each(|_| assert!(!pause.handle_clock(SECOND / 10)));
        assert!(pause.handle_picture(10 * SECOND) && !pause.handle_picture(SECOND));
    }

    #[test]
    fn what_jumps_together_is_no_pause() {
        let mut pause = Pause::default();
        pause.handle_sound(20 * SECOND);
        assert!(!pause.handle_clock(20 * SECOND) && !pause.handle_picture(20 * SECOND));
        // A clock that comes with the pictures only.
        (0..100).for_each(|_| pause.handle_sound(SECOND / 10));
        assert!(pause.handle_clock(10 * SECOND) && pause.handle_picture(10 * SECOND));
    }
}
