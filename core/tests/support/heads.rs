//! What holds for the head of an answer, whatever bytes come: shared by the properties and the fuzz
//! target.

use forebay_core::http_head::{Fault, Head, HeadReader, MAX_HEAD};

/// Reads `bytes` at once and in two pieces, and checks what comes of them.
pub(crate) fn read(bytes: &[u8], cut: usize) {
    let whole = HeadReader::default().push(bytes);
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    let mut reader = HeadReader::default();
    let in_two = match reader.push(first) {
        Ok(None) => reader.push(second),
        Ok(Some(mut head)) => {
            head.rest.extend_from_slice(second);
            Ok(Some(head))
        }
        fault => fault,
    };
    assert_eq!(in_two, whole, "it does not matter how bytes come");
    let Ok(Some(Head { status, bytes: head, rest })) = whole else { return };
    assert!((100..1000).contains(&status));
    assert!(bytes.ends_with(&rest), "the body stays as it is");
    // A field grows by a blank and a carriage return at most, and only so many are there.
    assert!(head.len() <= MAX_HEAD * 9 / 8);
    assert!(head.ends_with(b"\r\n\r\n"));
    let text = head.to_ascii_lowercase();
    let count = |name: &[u8]| text.windows(name.len()).filter(|window| *window == name).count();
    let framing = count(b"\r\ncontent-length:") + count(b"\r\ntransfer-encoding:");
    assert!(framing <= 1 && count(b"\r\nconnection:") <= 1, "there is one way to read it");
    assert_eq!(count(b"\r"), count(b"\n"));
    assert_eq!(count(b"\r\n"), count(b"\n"));
    match HeadReader::default().push(&head) {
        Ok(again) => assert_eq!(again, Some(Head { status, bytes: head, rest: Vec::new() })),
        // Blanks were put in, and fields.
        Err(fault) => assert!(matches!(fault, Fault::TooLong | Fault::TooManyFields)),
    }
}
