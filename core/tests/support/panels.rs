//! What holds for any answer of a panel, and for any address of an account.

use forebay_core::lineup::Entry;
use forebay_core::lineup::xtream::{
    Account, AccountInfo, Categories, LiveStreams, Output, StreamSummary, StreamUrl,
};

fn read(bytes: &[u8], sizes: &[usize]) -> (Vec<Entry>, StreamSummary) {
    let account = Account::new("http://h", "u", "p").expect("it is one");
    let (categories, mut entries) = (Categories::default(), Vec::new());
    let mut streams = LiveStreams::new(&account, Output::Hls, &categories);
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        let (piece, behind) = rest.split_at(size);
        streams.push(piece, &mut |entry| entries.push(entry.clone()));
        rest = behind;
    }
    (entries, streams.finish())
}

/// Any answer is read alike, however it is cut, and its streams have addresses of a panel.
pub(crate) fn check(bytes: &[u8], sizes: &[usize]) {
    let (entries, summary) = read(bytes, &[]);
    assert_eq!(read(bytes, sizes), (entries.clone(), summary), "cut by {sizes:?}");
    assert_eq!(summary.live, entries.len() as u64);
    for entry in &entries {
        assert!(StreamUrl::read(entry.url()).is_some(), "{}", entry.url());
    }
    drop(AccountInfo::read(bytes));
}

/// An address that is read is read again from each address that is built of it.
pub(crate) fn check_address(text: &str) {
    let Ok(account) = Account::read(text) else { return };
    for address in
        [account.api(None).to_string(), account.api(Some("x")).to_string(), account.guide().to_string()]
    {
        assert_eq!(Account::read(&address), Ok(account.clone()), "{text:?} by {address}");
    }
    assert!(StreamUrl::read(&account.live(17, Output::Ts)).is_some(), "{text:?}");
}
