//! How often an address may try to guess.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::http::admission::household;

/// Wrong guesses of one household within [`SPAN`]: more than people need to remember.
const MAX_WRONG: u32 = 10;

/// How long a wrong guess counts.
const SPAN: Duration = Duration::from_mins(5);

/// Households that are remembered. Of more, those whose first guess is the oldest are forgotten.
const MAX_HOUSEHOLDS: usize = 16_384;

/// The wrong guesses of late, by household.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Tries(Arc<Mutex<HashMap<IpAddr, Wrong>>>);

#[derive(Debug, Clone, Copy)]
struct Wrong {
    count: u32,
    since: Instant,
}

impl Tries {
    /// Takes one guess of this address, or says how long it has to wait. A guess counts as wrong
    /// until it is [`right`](Self::right), so that many at once are no more than one after another.
    pub(in crate::http) fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut all = self.all();
        if all.len() >= MAX_HOUSEHOLDS {
            forget(&mut all, now);
        }
        let wrong = all.entry(household(address)).or_insert(Wrong { count: 0, since: now });
        let age = now.duration_since(wrong.since);
        if age >= SPAN {
            // The span begins with the first guess and not anew with each:
            // a typo in the evening must not add to one of the morning.
            *wrong = Wrong { count: 0, since: now };
        } else if wrong.count >= MAX_WRONG {
            return Err(SPAN.saturating_sub(age));
        }
        // Under the same lock as the look: a hundred guesses at once are counted one by one.
        wrong.count += 1;
        Ok(())
    }

    /// The guess was right, and does not count. Wrong ones before it still do: somebody who has a
    /// password of their own could else guess others' for ever, by giving it in between.
    pub(in crate::http) fn right(&self, address: IpAddr) {
        if let Entry::Occupied(mut wrong) = self.all().entry(household(address)) {
            wrong.get_mut().count -= 1;
            if wrong.get().count == 0 {
                wrong.remove();
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<IpAddr, Wrong>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room: takes away what does not count any more, else the older half.
fn forget(all: &mut HashMap<IpAddr, Wrong>, now: Instant) {
    all.retain(|_, wrong| now.duration_since(wrong.since) < SPAN);
    if all.len() < MAX_HOUSEHOLDS {
        return;
    }
    let mut times: Vec<Instant> = all.values().map(|wrong| wrong.since).collect();
    let (_, middle, _) = times.select_nth_unstable(MAX_HOUSEHOLDS / 2);
    let middle = *middle;
    all.retain(|_, wrong| wrong.since > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(number).into()
    }

    #[test]
    fn so_many_wrong_guesses_and_then_a_pause() {
        let (tries, now) = (Tries::default(), Instant::now());
        for _ in 0..MAX_WRONG {
            assert_eq!(tries.take(address(1), now), Ok(()));
        }
        let later = now + Duration::from_mins(1);
        assert_eq!(tries.take(address(1), later), Err(Duration::from_mins(4)));
        assert_eq!(tries.take(address(2), later), Ok(()));
        assert_eq!(tries.take(address(1), now + SPAN), Ok(()));
        for _ in 0..2 * MAX_WRONG {
            assert_eq!(tries.take(address(3), now), Ok(()));
            tries.right(address(3));
        }
        // One right guess in between makes no room for more wrong ones.
        for _ in 1..MAX_WRONG {
            assert_eq!(tries.take(address(4), now), Ok(()));
        }
        assert_eq!(tries.take(address(4), now), Ok(()));
        tries.right(address(4));
        assert_eq!(tries.take(address(4), now), Ok(()));
        assert!(tries.take(address(4), now).is_err());
    }

    #[test]
    fn no_more_households_are_remembered_than_there_is_room_for() {
        let (tries, now) = (Tries::default(), Instant::now());
        for number in 0..2 * u32::try_from(MAX_HOUSEHOLDS).unwrap() {
            let at = now + Duration::from_millis(u64::from(number));
            assert_eq!(tries.take(address(number), at), Ok(()));
        }
        assert!(tries.all().len() <= MAX_HOUSEHOLDS);
    }
}
