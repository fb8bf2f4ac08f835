//! Whether there is a transport stream in the bytes.

use super::Unfit;

/// First bytes that are kept to say what came instead, until a transport stream is found.
pub(super) const PREFIX: usize = 512;

/// Bytes in which a transport stream must be found: a disguise in front of one is far shorter.
pub(super) const MAX_SEARCHED: u64 = 256 * 1024;

/// The search for a transport stream.
#[derive(Debug)]
pub(super) enum Search {
    /// There is none yet.
    Going {
        beginning: Vec<u8>,
        bytes: u64,
    },
    Found,
}

impl Default for Search {
    fn default() -> Self {
        Self::Going { beginning: Vec::new(), bytes: 0 }
    }
}

impl Search {
    pub(super) fn is_found(&self) -> bool {
        matches!(self, Self::Found)
    }

    pub(super) fn beginning(&self) -> &[u8] {
        match self {
            Self::Going { beginning, .. } => beginning,
            Self::Found => &[],
        }
    }

    pub(super) fn push(&mut self, new: &[u8]) {
        if let Self::Going { beginning, bytes } = self {
            *bytes += new.len() as u64;
            let room = PREFIX.saturating_sub(beginning.len());
            beginning.extend(new.iter().take(room));
        }
    }

    /// The bytes so far hold packets or not. Returns whether the transport stream is found now.
    pub(super) fn conclude(&mut self, has_packets: bool) -> Result<bool, Unfit> {
        match self {
            Self::Found => Ok(false),
            Self::Going { .. } if has_packets => {
                *self = Self::Found;
                Ok(true)
            }
            Self::Going { bytes, .. } if *bytes > MAX_SEARCHED => Err(Unfit::NotTransportStream),
            Self::Going { .. } => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_stream_is_found_once_and_its_beginning_forgotten() {
        let mut search = Search::default();
        search.push(b"<html>");
        assert_eq!((search.conclude(false), search.beginning()), (Ok(false), &b"<html>"[..]));
        search.push(&[0x47; 188]);
        assert_eq!((search.conclude(true), search.conclude(true)), (Ok(true), Ok(false)));
        assert!(search.is_found() && search.beginning().is_empty());
    }

    #[test]
    fn the_search_ends_in_vain() {
        let mut search = Search::default();
        for _ in 0..256 {
            search.push(&[0; 1024]);
            assert_eq!(search.conclude(false), Ok(false));
        }
        search.push(&[0]);
        assert_eq!(search.conclude(false), Err(Unfit::NotTransportStream));
        assert_eq!(search.beginning().len(), PREFIX);
    }
}
