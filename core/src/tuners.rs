//! Channels on devices that look like HDHomeRun tuners: which device has which channel, and by
//! which number.
//!
//! Programs that record map their guide to the number of a channel on a device. So a channel keeps
//! both for as long as its own number stays.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// The most channels on one device: Plex takes no more.
pub const MAX_CHANNELS: usize = 480;

/// Devices that there are at most.
pub const MAX_DEVICES: u32 = 100;

/// Channels without a number of their own get one from here on.
const FIRST_FREE: u32 = 10_000;

/// What the vendor's devices compute their check with, by the value of a digit.
const CHECK: [u32; 16] = [0xA, 0x5, 0xF, 0x6, 0x7, 0xC, 0x1, 0xB, 0x9, 0x2, 0x8, 0xD, 0x4, 0x3, 0xE, 0x0];

/// The longest name of a device that another program gave, in characters.
const MAX_DEVICE_ID: usize = 64;

/// The name of a device for ever: eight hexadecimal digits, of which the last one checks the
/// others. A device that was moved here keeps the name that another program gave it, so that
/// programs which know it go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceId(String);

impl DeviceId {
    /// One of 24 random bits, in the range of the vendor's tuners.
    pub fn of_random(random: u32) -> Self {
        let bare = bare(random);
        Self(format!("{:08X}", bare | sum(bare)))
    }

    /// One that was kept, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        digits(text).map(|_| Self(text.to_owned()))
    }

    /// One that another program gave: 1 to 64 letters, digits and `:-_`.
    pub fn of_another_program(text: &str) -> Option<Self> {
        let is_known = |char: char| char.is_ascii_alphanumeric() || matches!(char, ':' | '-' | '_');
        let fits = (1..=MAX_DEVICE_ID).contains(&text.len()) && text.chars().all(is_known);
        fits.then(|| Self(text.to_owned()))
    }

    /// The digits as one number, for the vendor's protocol. Other programs give names that are no
    /// number: then it is one that follows from the name.
    pub fn number(&self) -> u32 {
        digits(&self.0).unwrap_or_else(|| {
            // FNV-1a: the same for ever, and nothing that anybody has to guess.
            let hash = self
                .0
                .bytes()
                .fold(0x811C_9DC5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
            let bare = bare(hash);
            bare | sum(bare)
        })
    }
}

/// The number of a name that is as the vendor's are.
fn digits(text: &str) -> Option<u32> {
    let id = u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 8)?;
    (sum(id) == 0).then_some(id)
}

/// A number in the range of the vendor's tuners, without its check.
fn bare(random: u32) -> u32 {
    0x1000_0000 | random & 0x0FFF_FFF0
}

/// The sum over all digits: 0 where the check is right.
fn sum(id: u32) -> u32 {
    (0..8).fold(0, |sum, at| {
        let digit = id >> (4 * at) & 0xF;
        // Every other digit goes through the table, as the vendor's library computes it.
        sum ^ if at % 2 == 1 { CHECK[digit as usize] } else { digit }
    })
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A channel as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub channel: String,
    /// Its group; empty where it has none.
    pub group: String,
    /// Its number, `5` or `5.1`; empty where it has none.
    pub number: String,
}

/// The place of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuned {
    /// The channel's id.
    pub channel: String,
    /// The device, from 1.
    pub device: u32,
    /// The channel's own number when it got this place.
    pub wanted: String,
    /// Its number on all devices: no other channel has it.
    pub number: String,
}

/// The places that are new or different once all of `listed` have one. Channels that are listed no
/// more keep theirs. Of more channels than all devices hold, the last ones get none.
pub fn settle(known: &[Tuned], listed: &[Listed]) -> Vec<Tuned> {
    let mut house = House::new(known, listed);
    let places: HashMap<&str, &Tuned> = known.iter().map(|place| (&*place.channel, place)).collect();
    let mut changed = Vec::new();
    for Listed { channel, group, number } in listed {
        let place = places.get(&**channel);
        if place.is_some_and(|place| place.wanted == *number) {
            // Nothing changes: recordings are mapped to this place.
            continue;
        }
        // It keeps its device with another number: programs know a channel by the device as well.
        let Some(device) = place.map(|place| place.device).or_else(|| house.device(group)) else { continue };
        let tuned =
            Tuned { channel: channel.clone(), device, wanted: number.clone(), number: house.number(number) };
        changed.push(tuned);
    }
    changed
}

/// What is taken.
struct House<'a> {
    /// Channels on each device.
    filled: BTreeMap<u32, usize>,
    numbers: HashSet<String>,
    /// The device that the next channel of a group goes to.
    homes: HashMap<&'a str, u32>,
    /// How many of a group have no place yet.
    waiting: HashMap<&'a str, usize>,
    /// Devices that are needed for all.
    needed: u32,
    next_free: u32,
}

impl<'a> House<'a> {
    fn new(known: &[Tuned], listed: &'a [Listed]) -> Self {
        let places: HashMap<&str, &Tuned> = known.iter().map(|place| (&*place.channel, place)).collect();
        // Numbers of channels that are gone stay taken: a guide may still be mapped to them.
        let mut numbers: HashSet<String> = known.iter().map(|place| place.number.clone()).collect();
        let (mut homes, mut waiting, mut new) = (HashMap::new(), HashMap::new(), 0);
        for one in listed {
            if let Some(place) = places.get(&*one.channel) {
                // The last one counts: a group that outgrew its device went on there.
                homes.insert(&*one.group, place.device);
                if place.wanted != one.number {
                    // Free before any is given out, so that two channels can change their numbers.
                    numbers.remove(&place.number);
                }
            } else {
                *waiting.entry(&*one.group).or_insert(0) += 1;
                new += 1;
            }
        }
        let mut filled = BTreeMap::new();
        for place in known {
            *filled.entry(place.device).or_insert(0) += 1;
        }
        // Those that are gone keep their place on a device, and count.
        let needed = (known.len() + new).div_ceil(MAX_CHANNELS);
        Self {
            filled,
            numbers,
            homes,
            waiting,
            needed: u32::try_from(needed).unwrap_or(MAX_DEVICES).min(MAX_DEVICES),
            next_free: FIRST_FREE,
        }
    }

    fn room(&self, device: u32) -> usize {
        MAX_CHANNELS.saturating_sub(self.filled.get(&device).copied().unwrap_or(0))
    }

    /// The device for one more channel of a group: that of the others, else one that all of them
    /// fit on, else the emptiest.
    fn device(&mut self, group: &'a str) -> Option<u32> {
        let waiting = self.waiting.get_mut(group)?;
        // One device for all of the group, if they fit.
        let wanted = (*waiting).min(MAX_CHANNELS);
        *waiting = waiting.saturating_sub(1);
        let devices = 1..=self.needed.max(self.filled.keys().next_back().copied().unwrap_or(1));
        let home = self.homes.get(group).copied().filter(|&home| self.room(home) > 0);
        let device = home
            .or_else(|| devices.clone().find(|&device| self.room(device) >= wanted))
            .or_else(|| devices.max_by_key(|&device| self.room(device)))
            .filter(|&device| self.room(device) > 0)?;
        *self.filled.entry(device).or_insert(0) += 1;
        self.homes.insert(group, device);
        Some(device)
    }

    /// The number that is wanted, or the next one behind its dot that nobody has.
    fn number(&mut self, wanted: &str) -> String {
        // Another number behind the same dot keeps the channel next to the one that was wanted.
        let (major, minor) = wanted.split_once('.').unwrap_or((wanted, "0"));
        let mut number = wanted.to_owned();
        let mut minor: u32 = minor.parse().unwrap_or(0);
        if wanted.is_empty() {
            number = self.next_free.to_string();
        }
        while !self.numbers.insert(number.clone()) {
            if wanted.is_empty() {
                self.next_free += 1;
                number = self.next_free.to_string();
            } else {
                minor += 1;
                number = format!("{major}.{minor}");
            }
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(count: usize, group_of: impl Fn(usize) -> usize) -> Vec<Listed> {
        let one = |at: usize| Listed {
            channel: format!("c{at:08}"),
            group: format!("g{}", group_of(at)),
            number: (at + 1).to_string(),
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn a_device_id_checks_itself() {
        for valid in ["12345674", "10ABCDE1", "C0FFEE1E", "10400002"] {
            assert_eq!(DeviceId::parse(valid).map(|id| id.to_string()).as_deref(), Some(valid));
        }
        for wrong in ["12345675", "1234567", "zzzzzzzz", "", "012345674"] {
            assert_eq!(DeviceId::parse(wrong), None, "{wrong}");
        }
        for random in [0, 1, 0xDEAD_BEEF, u32::MAX] {
            let id = DeviceId::of_random(random);
            assert_eq!(DeviceId::parse(&id.to_string()), Some(id));
        }
    }

    #[test]
    fn a_device_that_was_moved_keeps_its_name_and_has_a_number_of_the_vendors_shape() {
        for name in ["2021-04-ABCD-EFGHIJ:2", "12345675", "A1B2C3D4", "x"] {
            let id = DeviceId::of_another_program(name).unwrap();
            assert_eq!(id.to_string(), name);
            let number = DeviceId::parse(&format!("{:08X}", id.number()));
            assert!(number.is_some(), "{name}: {:08X}", id.number());
        }
        // The vendor's own are their number.
        assert_eq!(DeviceId::of_another_program("12345674").unwrap().number(), 0x1234_5674);
        for wrong in ["", "a b", "<id>", &"1".repeat(65)] {
            assert_eq!(DeviceId::of_another_program(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn thirteen_hundred_channels_are_three_devices_and_one_more_moves_none() {
        let first = settle(&[], &listed(1_300, |at| at / 100));
        assert_eq!(first.iter().map(|place| place.device).max(), Some(3));
        for device in 1..=3 {
            let count = first.iter().filter(|place| place.device == device).count();
            assert!((1..=MAX_CHANNELS).contains(&count), "{device}: {count}");
        }
        let together = first.iter().take(100).all(|place| place.device == first[0].device);
        assert!(together, "a group is on one device where it fits");
        // One more, in front of all; and the same list in another order.
        let mut more = listed(1_300, |at| at / 100);
        more.reverse();
        more.push(Listed { channel: "new".into(), group: "g3".into(), number: "5".into() });
        let changed = settle(&first, &more);
        assert_eq!(changed.len(), 1, "{changed:?}");
        assert_eq!((&*changed[0].channel, &*changed[0].number), ("new", "5.1"));
        assert_eq!(settle(&first, &listed(20, |at| at / 100)), [], "those that are gone keep theirs");
    }

    #[test]
    fn no_two_channels_have_one_number() {
        let channel = |channel: &str, number: &str| Listed {
            channel: channel.into(),
            group: String::new(),
            number: number.into(),
        };
        let all =
            [channel("a", "5"), channel("b", "5"), channel("c", "5.1"), channel("d", ""), channel("e", "")];
        let places = settle(&[], &all);
        let numbers: Vec<&str> = places.iter().map(|place| &*place.number).collect();
        assert_eq!(numbers, ["5", "5.1", "5.2", "10000", "10001"]);
        // A number that a user changes is followed; all others stay.
        let moved = settle(&places, &[channel("a", "7"), channel("b", "5")]);
        assert_eq!(
            moved.iter().map(|place| (&*place.channel, &*place.number)).collect::<Vec<_>>(),
            [("a", "7")]
        );
    }

    #[test]
    fn two_channels_can_change_their_numbers() {
        let channel = |channel: &str, number: &str| Listed {
            channel: channel.into(),
            group: String::new(),
            number: number.into(),
        };
        let places = settle(&[], &[channel("a", "1"), channel("b", "2")]);
        let moved = settle(&places, &[channel("a", "2"), channel("b", "1")]);
        let numbers: Vec<&str> = moved.iter().map(|place| &*place.number).collect();
        assert_eq!(numbers, ["2", "1"]);
    }

    #[test]
    fn there_are_no_more_devices_than_allowed() {
        let places = settle(&[], &listed(60_000, |_| 0));
        assert_eq!(places.len(), MAX_CHANNELS * MAX_DEVICES as usize);
    }
}
