//! The vendor's protocol of discovery, on UDP port 65001.
//!
//! A packet is its type, the length of what follows, values that each name a tag and their length,
//! and a check sum: CRC-32 of IEEE 802.3, which alone is little-endian. Tags that nobody knows are
//! passed over.

use crate::tuners::DeviceId;

/// The port that programs ask at.
pub const PORT: u16 = 65_001;

/// The longest packet: the vendor's library sends no more.
pub const MAX_PACKET: usize = 1460;

/// A question of a program, and the answer of a device.
const DISCOVER_REQUEST: u16 = 2;
const DISCOVER_REPLY: u16 = 3;

const TAG_DEVICE_TYPE: u8 = 0x01;
const TAG_DEVICE_ID: u8 = 0x02;
const TAG_TUNER_COUNT: u8 = 0x10;
const TAG_LINEUP_URL: u8 = 0x27;
const TAG_BASE_URL: u8 = 0x2A;
const TAG_DEVICE_AUTH: u8 = 0x2B;
/// Newer programs ask for several types at once.
const TAG_DEVICE_TYPES: u8 = 0x2D;

const TUNER: u32 = 1;
/// Stands for each type and each device.
const ANY: u32 = u32::MAX;

/// The type, the length and the check sum.
const FRAME: usize = 8;

/// Whom a program looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The only device that is meant; all of them where there is none.
    pub device: Option<u32>,
}

/// A device that is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name for ever.
    pub id: DeviceId,
    /// Streams that it plays at once.
    pub tuners: u8,
    /// Where its documents are, without a slash at the end; up to 400 bytes count.
    pub base_url: String,
}

impl Question {
    /// Reads a packet; `None` if it is damaged, is not a question, or does not ask for tuners.
    pub fn read(packet: &[u8]) -> Option<Self> {
        let (checked, sum) = packet.split_last_chunk::<4>()?;
        let (head, values) = checked.split_first_chunk::<4>()?;
        let [kind, length] = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_be_bytes);
        let is_whole = packet.len() <= MAX_PACKET
            && usize::from(length) == values.len()
            && crc32(checked) == u32::from_le_bytes(*sum);
        if !is_whole || kind != DISCOVER_REQUEST {
            return None;
        }
        let (mut types, mut device) = (Vec::new(), None);
        let mut rest = values;
        while !rest.is_empty() {
            let (tag, value);
            (tag, value, rest) = take(rest)?;
            let mut numbers = value.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes));
            match tag {
                TAG_DEVICE_TYPE | TAG_DEVICE_TYPES => types.extend(numbers),
                TAG_DEVICE_ID => device = numbers.next().filter(|&id| id != ANY),
                _ => {}
            }
        }
        let is_for_tuners = types.iter().any(|&kind| kind == TUNER || kind == ANY);
        is_for_tuners.then_some(Self { device })
    }

    /// Whether it is for this device.
    pub fn is_for(self, id: &DeviceId) -> bool {
        self.device.is_none_or(|wanted| wanted == id.number())
    }

    /// The packet of a program that asks for a device, or for all.
    pub fn write(self) -> Vec<u8> {
        let mut values = Vec::new();
        put(&mut values, TAG_DEVICE_TYPE, &TUNER.to_be_bytes());
        put(&mut values, TAG_DEVICE_ID, &self.device.unwrap_or(ANY).to_be_bytes());
        frame(DISCOVER_REQUEST, &values)
    }
}

impl Device {
    /// The packet that it answers with.
    pub fn write(&self) -> Vec<u8> {
        // Cut to 400 bytes: clients drop packets over 1460 bytes.
        let base = &self.base_url[..self.base_url.floor_char_boundary(400)];
        let mut values = Vec::new();
        put(&mut values, TAG_DEVICE_TYPE, &TUNER.to_be_bytes());
        put(&mut values, TAG_DEVICE_ID, &self.id.number().to_be_bytes());
        put(&mut values, TAG_TUNER_COUNT, &[self.tuners]);
        put(&mut values, TAG_BASE_URL, base.as_bytes());
        put(&mut values, TAG_LINEUP_URL, format!("{base}/lineup.json").as_bytes());
        put(&mut values, TAG_DEVICE_AUTH, b"forebay");
        frame(DISCOVER_REPLY, &values)
    }
}

/// The first value: its tag, it, and what follows.
fn take(values: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, low], rest) = values.split_first_chunk::<2>()?;
    let (length, rest) = if low & 0x80 == 0 {
        (usize::from(low), rest)
    } else {
        // Seven bits, and then the others.
        let (&high, rest) = rest.split_first()?;
        (usize::from(low & 0x7F) | usize::from(high) << 7, rest)
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

fn put(values: &mut Vec<u8>, tag: u8, value: &[u8]) {
    values.push(tag);
    let (low, high) = (value.len() & 0x7F, value.len() >> 7);
    let byte = |number: usize| u8::try_from(number).expect("a value has less than 32 kB");
    if high == 0 {
        values.push(byte(low));
    } else {
        values.extend([byte(low | 0x80), byte(high)]);
    }
    values.extend_from_slice(value);
}

fn frame(kind: u16, values: &[u8]) -> Vec<u8> {
    let length = u16::try_from(values.len()).expect("a packet is short");
    let mut packet = Vec::with_capacity(values.len() + FRAME);
    packet.extend(kind.to_be_bytes());
    packet.extend(length.to_be_bytes());
    packet.extend_from_slice(values);
    let sum = crc32(&packet);
    packet.extend(sum.to_le_bytes());
    packet
}

/// CRC-32 of IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    // Bit by bit: a packet has a hundred bytes.
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xEDB8_8320 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the vendor's program and Jellyfin send it.
    const EVERYBODY: [u8; 20] = [
        0x00, 0x02, 0x00, 0x0c, 0x01, 0x04, 0xff, 0xff, 0xff, 0xff, 0x02, 0x04, 0xff, 0xff, 0xff, 0xff, 0x73,
        0xcc, 0x7d, 0x8f,
    ];

    fn device(base_url: &str) -> Device {
        let id = DeviceId::parse("12345674").expect("its check is right");
        Device { id, tuners: 4, base_url: base_url.to_owned() }
    }

    /// The values of a packet that is sound.
    fn values(packet: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut rest = &packet[4..packet.len() - 4];
        let mut all = Vec::new();
        while !rest.is_empty() {
            let (tag, value);
            (tag, value, rest) = take(rest).expect("it is sound");
            all.push((tag, value.to_vec()));
        }
        all
    }

    #[test]
    fn questions_of_real_programs_are_read() {
        assert_eq!(Question::read(&EVERYBODY), Some(Question { device: None }));
        let tuners = Question { device: None }.write();
        assert_eq!(tuners[16..], [0x4e, 0x50, 0x7f, 0x35], "the check sum of the vendor");
        assert_eq!(Question::read(&tuners), Some(Question { device: None }));
        let one = Question { device: Some(0x1234_5674) };
        assert_eq!(Question::read(&one.write()), Some(one));
        assert!(one.is_for(&device("").id) && !Question { device: Some(1) }.is_for(&device("").id));
        // Newer programs name several types and no device.
        let types = [5_u32, TUNER].map(u32::to_be_bytes).concat();
        let mut values = Vec::new();
        put(&mut values, TAG_DEVICE_TYPES, &types);
        put(&mut values, 0x77, &[0; 300]);
        assert_eq!(Question::read(&frame(DISCOVER_REQUEST, &values)), Some(Question { device: None }));
    }

    #[test]
    fn what_is_not_for_tuners_or_damaged_is_no_question() {
        let mut storage = Vec::new();
        put(&mut storage, TAG_DEVICE_TYPE, &5_u32.to_be_bytes());
        assert_eq!(Question::read(&frame(DISCOVER_REQUEST, &storage)), None, "for recorders");
        assert_eq!(Question::read(&frame(DISCOVER_REQUEST, &[])), None);
        assert_eq!(Question::read(&device("http://h").write()), None, "an answer");
        for at in 0..EVERYBODY.len() {
            let mut damaged = EVERYBODY;
            damaged[at] ^= 0x10;
            assert_eq!(Question::read(&damaged), None, "{at}");
            assert_eq!(Question::read(&EVERYBODY[..at]), None, "{at}");
        }
        // A value that is longer than its packet.
        assert_eq!(Question::read(&frame(DISCOVER_REQUEST, &[TAG_DEVICE_TYPE, 200, 1, 0])), None);
    }

    #[test]
    fn an_answer_says_where_the_device_is() {
        let packet = device("http://192.0.2.10:8080").write();
        assert_eq!((packet[..2].to_vec(), crc32(&packet[..packet.len() - 4])), {
            let sum = packet.last_chunk::<4>().expect("it has one");
            (vec![0, 3], u32::from_le_bytes(*sum))
        });
        assert_eq!(
            values(&packet),
            [
                (TAG_DEVICE_TYPE, vec![0, 0, 0, 1]),
                (TAG_DEVICE_ID, vec![0x12, 0x34, 0x56, 0x74]),
                (TAG_TUNER_COUNT, vec![4]),
                (TAG_BASE_URL, b"http://192.0.2.10:8080".to_vec()),
                (TAG_LINEUP_URL, b"http://192.0.2.10:8080/lineup.json".to_vec()),
                (TAG_DEVICE_AUTH, b"forebay".to_vec()),
            ]
        );
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_question_or_none(packet in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Question::read(&packet);
            // The same with the frame right, so that the values are reached.
            let _ = Question::read(&frame(DISCOVER_REQUEST, &packet));
        }

        #[test]
        fn values_come_back_as_they_were(tag: u8, value in prop::collection::vec(any::<u8>(), 0..1400)) {
            let mut written = Vec::new();
            put(&mut written, tag, &value);
            prop_assert_eq!(take(&written), Some((tag, &*value, &[][..])));
        }

        #[test]
        fn no_answer_is_too_long(base_url in ".{0,2000}") {
            let packet = device(&base_url).write();
            prop_assert!(packet.len() <= MAX_PACKET);
            prop_assert_eq!(values(&packet).len(), 6);
        }
    }
}
