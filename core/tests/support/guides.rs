//! Properties that hold whatever bytes are read as a guide.

use forebay_core::guide::details::Details;
use forebay_core::guide::{Channel, Item, Options, Programme, Reader, Summary};

/// All that a reader hands out of bytes that come in pieces of this size.
pub(crate) fn read(options: Options, bytes: &[u8], piece: usize) -> (Vec<Channel>, Vec<Programme>, Summary) {
    let (mut channels, mut programmes) = (Vec::new(), Vec::new());
    let mut take = |item: Item<'_>| match item {
        Item::Channel(channel) => channels.push(channel.clone()),
        Item::Programme(programme) => programmes.push(programme.clone()),
    };
    let mut reader = Reader::new(options);
    bytes.chunks(piece.max(1)).for_each(|piece| reader.push(piece, &mut take));
    let summary = reader.finish(&mut take);
    (channels, programmes, summary)
}

/// The same is read whatever the pieces are, the counts are right, and what is written of a
/// programme is read as it was.
///
/// # Panics
/// If any of it is not so.
pub(crate) fn check(bytes: &[u8], pieces: &[usize]) {
    let whole = read(Options::default(), bytes, bytes.len());
    for &piece in pieces {
        assert_eq!(read(Options::default(), bytes, piece), whole, "in pieces of {piece}");
    }
    let (channels, programmes, summary) = whole;
    assert_eq!((channels.len() as u64, programmes.len() as u64), (summary.channels, summary.programmes));
    for programme in programmes {
        assert!(programme.stop.is_none_or(|stop| stop > programme.start), "{programme:?}");
        let mut written = String::new();
        programme.details.write_programme(&mut written);
        let mut again = String::new();
        Details::read_programme(&written).write_programme(&mut again);
        assert_eq!(again, written);
    }
}
