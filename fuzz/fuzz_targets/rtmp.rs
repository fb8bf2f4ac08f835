//! The bytes of a server to a publisher: the handshake, chunks, and the values in commands. How they
//! are cut makes no difference, and what is kept of them has a limit.

#![no_main]

use forebay_core::rtmp::chunk::{MAX_COMMAND, Message, Reader};
use forebay_core::rtmp::{Destination, Publisher, amf0};
use libfuzzer_sys::fuzz_target;

/// The messages, and whether that was all.
fn read(data: &[u8], size: usize) -> (Vec<Message>, bool) {
    let (mut reader, mut found) = (Reader::new(MAX_COMMAND), Vec::new());
    for piece in data.chunks(size) {
        reader.push(piece);
        loop {
            match reader.poll() {
                Ok(Some(message)) => found.push(message),
                Ok(None) => break,
                Err(_) => return (found, false),
            }
        }
    }
    (found, true)
}

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else { return };
    let size = usize::from(first).max(1);
    let whole = read(rest, rest.len().max(1));
    assert_eq!(read(rest, size), whole);
    for message in &whole.0 {
        assert!(message.body.len() <= MAX_COMMAND);
    }
    if let Ok(values) = amf0::read(rest) {
        let written = amf0::write(&values);
        // A number that is none does not equal itself.
        assert_eq!(amf0::read(&written).map(|again| amf0::write(&again)), Ok(written));
    }
    let name = "key".to_owned();
    let destination = Destination { app: "live".to_owned(), tc_url: "rtmp://a.example/live".to_owned(), name };
    let mut publisher = Publisher::new(destination, 1);
    if publisher.handle_bytes(&[3; 3073]).is_ok() {
        let _ = publisher.handle_bytes(rest);
    }
    while publisher.poll_event().is_some() {}
});
