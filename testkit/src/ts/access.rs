//! Whether a picture can be decoded without the ones before it.

/// A video codec, as the PMT names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// MPEG-1 or MPEG-2 video.
    Mpeg2,
    /// H.264.
    H264,
    /// H.265.
    Hevc,
}

impl Codec {
    /// The codec of a `stream_type`.
    pub fn from_stream_type(stream_type: u8) -> Option<Self> {
        match stream_type {
            0x01 | 0x02 => Some(Self::Mpeg2),
            0x1b => Some(Self::H264),
            0x24 => Some(Self::Hevc),
            _ => None,
        }
    }
}

/// What a decoder finds when it begins at an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Parameter sets and an IDR picture (H.264), an IRAP picture (H.265), or a sequence header and an intra
    /// picture (MPEG-2).
    Key,
    /// H.264 parameter sets and an intra picture that is not IDR, announced by a recovery point message or not:
    /// how broadcasters send open groups of pictures.
    Recovery,
    /// The picture is a good one, but its parameter sets or its sequence header are missing.
    NoParameters,
    /// The picture needs others.
    Dependent,
    /// There is no picture.
    NoPicture,
}

impl Access {
    /// Whether a decoder can begin here.
    pub fn is_random_access(self) -> bool {
        matches!(self, Self::Key | Self::Recovery)
    }
}

/// Says what the elementary stream bytes of one PES packet offer to a decoder that begins with them.
pub fn classify(codec: Codec, unit: &[u8]) -> Access {
    match codec {
        Codec::Mpeg2 => mpeg2(unit),
        Codec::H264 => h264(unit),
        Codec::Hevc => hevc(unit),
    }
}

/// The bytes after each start code, up to the next.
fn units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts: Vec<usize> =
        bytes.windows(3).enumerate().filter(|(_, code)| *code == [0, 0, 1]).map(|(at, _)| at + 3).collect();
    starts.push(bytes.len() + 3);
    (1..starts.len())
        .map(move |next| &bytes[starts[next - 1]..starts[next] - 3])
        .filter(|unit| !unit.is_empty())
}

fn verdict(parameters: bool, picture: Option<Access>) -> Access {
    match picture {
        None => Access::NoPicture,
        Some(access) if access.is_random_access() && !parameters => Access::NoParameters,
        Some(access) => access,
    }
}

fn mpeg2(bytes: &[u8]) -> Access {
    let mut sequence = false;
    for unit in units(bytes) {
        match unit {
            [0xb3, ..] => sequence = true,
            [0x00, _, second, ..] => {
                let intra = second >> 3 & 7 == 1;
                return verdict(sequence, Some(if intra { Access::Key } else { Access::Dependent }));
            }
            _ => {}
        }
    }
    Access::NoPicture
}

fn h264(bytes: &[u8]) -> Access {
    let (mut sps, mut pps, mut recovery) = (false, false, false);
    let mut picture = None;
    for unit in units(bytes) {
        match unit[0] & 0x1f {
            7 => sps = true,
            8 => pps = true,
            // A message with payload type 6 first is a recovery point; others may precede it.
            6 => recovery |= sei_types(&unit[1..]).any(|kind| kind == 6),
            5 => picture = Some(Access::Key),
            1 if picture.is_none_or(|known| known == Access::Recovery) => {
                let intra = slice_type(&unit[1..]).is_some_and(|kind| kind % 5 == 2);
                picture = Some(if recovery || intra { Access::Recovery } else { Access::Dependent });
            }
            _ => {}
        }
    }
    verdict(sps && pps, picture)
}

fn hevc(bytes: &[u8]) -> Access {
    let mut seen = [false; 3];
    for unit in units(bytes) {
        match unit[0] >> 1 & 0x3f {
            kind @ 32..=34 => seen[usize::from(kind) - 32] = true,
            16..=21 => return verdict(seen == [true; 3], Some(Access::Key)),
            0..=15 => return Access::Dependent,
            _ => {}
        }
    }
    Access::NoPicture
}

/// Types of the messages of a supplemental enhancement NAL unit, without its header.
fn sei_types(unit: &[u8]) -> impl Iterator<Item = usize> {
    // Emulation prevention may lengthen a message by a byte or two; types before that are still right.
    let mut rest = unit;
    std::iter::from_fn(move || {
        if rest.len() < 3 {
            return None;
        }
        let kind = take_coded(&mut rest)?;
        let length = take_coded(&mut rest)?;
        rest = rest.get(length..).unwrap_or_default();
        Some(kind)
    })
}

fn take_coded(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    loop {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value += usize::from(*byte);
        if *byte != 0xff {
            return Some(value);
        }
    }
}

/// The second Exp-Golomb number of a slice header, after `first_mb_in_slice`.
fn slice_type(header: &[u8]) -> Option<u32> {
    let mut bits = header.iter().take(12).flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut number = || {
        let zeros = bits.by_ref().take_while(|bit| *bit == 0).count();
        let tail = bits.by_ref().take(zeros).fold(0u32, |value, bit| value << 1 | u32::from(bit));
        (zeros < 31).then(|| (1 << zeros) - 1 + tail)
    };
    number()?;
    number()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h264_units() {
        let sets = [0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68, 0xce];
        let with = |tail: &[u8]| [&sets[..], tail].concat();
        assert_eq!(classify(Codec::H264, &with(&[0, 0, 1, 0x65, 0x88])), Access::Key);
        assert_eq!(classify(Codec::H264, &[0, 0, 1, 0x65, 0x88]), Access::NoParameters);
        // first_mb 0 = "1", slice type 7 (I) = "0001000"; then type 5 (P) = "00110".
        assert_eq!(classify(Codec::H264, &with(&[0, 0, 1, 0x41, 0b1000_1000])), Access::Recovery);
        assert_eq!(classify(Codec::H264, &with(&[0, 0, 1, 0x41, 0b1001_1000])), Access::Dependent);
        let recovery = [0, 0, 1, 6, 6, 1, 0x84, 0x80, 0, 0, 1, 0x41, 0b1001_1000];
        assert_eq!(classify(Codec::H264, &with(&recovery)), Access::Recovery);
        assert_eq!(classify(Codec::H264, &sets), Access::NoPicture);
    }

    #[test]
    fn hevc_and_mpeg2_units() {
        let irap = [0, 0, 1, 0x40, 1, 0, 0, 1, 0x42, 1, 0, 0, 1, 0x44, 1, 0, 0, 1, 0x28, 1];
        assert_eq!(classify(Codec::Hevc, &irap), Access::Key);
        assert_eq!(classify(Codec::Hevc, &irap[15..]), Access::NoParameters);
        assert_eq!(classify(Codec::Hevc, &[0, 0, 1, 0x02, 1]), Access::Dependent);
        let intra = [0, 0, 1, 0xb3, 0x28, 0, 0, 1, 0x00, 0x00, 0x08];
        assert_eq!(classify(Codec::Mpeg2, &intra), Access::Key);
        assert_eq!(classify(Codec::Mpeg2, &intra[5..]), Access::NoParameters);
        assert_eq!(classify(Codec::Mpeg2, &[0, 0, 1, 0x00, 0x00, 0x10]), Access::Dependent);
    }
}
