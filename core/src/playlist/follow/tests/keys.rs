//! Segments that are encrypted.

use super::*;

#[test]
fn vectors_are_the_sequence_number_where_none_is_stated() {
    let text = list(21, 1..3).replacen("#EXTINF", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF", 1)
        + "#EXT-X-KEY:METHOD=AES-128,URI=\"l\",IV=0x05\n#EXTINF:2,\n3\n";
    let mut provider = Provider::new(move |_, _| Ok(text.clone()), done);
    provider.run(100);
    assert_eq!(provider.segments(), "1 key=/k iv=21 2 key=/k iv=22 3 key=/l iv=5");
}

#[test]
fn what_cannot_be_decrypted_is_refused() {
    let text = list(0, 0..3).replacen("#EXTINF", "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF", 1);
    let mut provider = Provider::new(move |_, _| Ok(text.clone()), done);
    provider.run(100);
    assert!(provider.segments().starts_with("Fail(Encrypted("), "{:?}", provider.log);
}
