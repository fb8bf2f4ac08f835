use proptest::prelude::*;

use super::amf0::{self, Value};
use super::chunk::{self, Message, Outgoing, Reader};
use super::{Destination, Event, Fault, Publisher};
use crate::flv::{Content, Tag};

const LIMIT: usize = 1 << 20;

fn messages(reader: &mut Reader) -> Vec<Message> {
    std::iter::from_fn(|| reader.poll().unwrap()).collect()
}

/// What a reader makes of `bytes` that come in pieces of this size.
fn read_in(bytes: &[u8], size: usize) -> Result<Vec<Message>, chunk::Malformed> {
    let (mut reader, mut found) = (Reader::new(LIMIT), Vec::new());
    for piece in bytes.chunks(size) {
        reader.push(piece);
        while let Some(message) = reader.poll()? {
            found.push(message);
        }
    }
    Ok(found)
}

fn message(kind: u8, time: u32, length: usize) -> Message {
    let body = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
    Message { kind, time, stream: 1, body }
}

fn written(size: usize, all: &[Message]) -> Vec<u8> {
    let mut out = Vec::new();
    for Message { kind, time, stream, body } in all {
        chunk::write(&mut out, size, 6, Outgoing { kind: *kind, time: *time, stream: *stream, body });
    }
    out
}

#[test]
fn messages_are_read_as_they_were_written_whatever_the_pieces() {
    // Around the time that does not fit, and the last one that there is.
    let times = [0, 1, 0xFF_FFFE, 0xFF_FFFF, 0x100_0000, 0x7FFF_FFFF, u32::MAX];
    let all: Vec<Message> = times
        .into_iter()
        .zip([0, 1, 127, 128, 129, 1000, 5000])
        .map(|(time, n)| message(9, time, n))
        .collect();
    let bytes = written(128, &all);
    for size in [1, 2, 3, 7, 128, 4096, bytes.len()] {
        assert_eq!(read_in(&bytes, size), Ok(all.clone()), "{size}");
    }
}

#[test]
fn headers_may_leave_out_what_is_as_before() {
    let mut bytes = vec![0x04, 0, 0, 10, 0, 0, 1, 8, 1, 0, 0, 0, b'a'];
    // 20 ms later, of two bytes; 20 ms later; the same again.
    bytes.extend([0x44, 0, 0, 20, 0, 0, 2, 8, b'b', b'c']);
    bytes.extend([0x84, 0, 0, 20, b'd', b'e']);
    bytes.extend([0xC4, b'f', b'g']);
    let found: Vec<(u32, Vec<u8>)> =
        read_in(&bytes, 1).unwrap().into_iter().map(|message| (message.time, message.body)).collect();
    let expected = [(10, "a"), (30, "bc"), (50, "de"), (70, "fg")];
    assert_eq!(found, expected.map(|(time, body)| (time, body.as_bytes().to_vec())));
}

#[test]
fn chunk_streams_of_two_and_three_bytes_interleave() {
    let head = |first: &[u8], length: u8| [first, &[0, 0, 0, 0, 0, length, 9, 1, 0, 0, 0]].concat();
    let mut bytes = head(&[0x00, 10], 130);
    bytes.extend([1; 128]);
    bytes.extend(head(&[0x01, 2, 1], 1));
    bytes.push(7);
    bytes.extend([0xC0, 10, 1, 1]);
    let found: Vec<usize> = read_in(&bytes, 1).unwrap().iter().map(|message| message.body.len()).collect();
    assert_eq!(found, [1, 130]);
}

#[test]
fn another_chunk_size_and_an_abort_are_heeded() {
    let mut bytes = vec![0x02, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 1, 0];
    bytes.extend(written(256, &[message(9, 0, 300)]));
    assert_eq!(read_in(&bytes, 5), Ok(vec![message(9, 0, 300)]));
    let mut bytes = written(128, &[message(9, 0, 300)])[..150].to_vec();
    bytes.extend([0x02, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 6]);
    bytes.truncate(140);
    bytes.extend([0x02, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 6]);
    bytes.extend(written(128, &[message(8, 0, 3)]));
    assert_eq!(read_in(&bytes, 5), Ok(vec![message(8, 0, 3)]));
}

#[test]
fn what_is_no_chunk_is_refused_and_bounded() {
    use chunk::Malformed::{NoHeader, Overlap, Size, Streams, TooLong};
    let head = |id: u8, length: [u8; 3]| {
        let [a, b, c] = length;
        vec![id, 0, 0, 0, a, b, c, 9, 1, 0, 0, 0]
    };
    let many: Vec<u8> = (3..40).flat_map(|id| head(id, [0, 1, 0]).into_iter().chain([0; 128])).collect();
    let twice = [head(4, [0, 1, 0]), vec![0; 128], head(4, [0, 1, 0])].concat();
    for (bytes, expected) in [
        (vec![0xC4, 1], NoHeader),
        (vec![0x44, 0, 0, 0, 0, 0, 1, 8, 1], NoHeader),
        (twice, Overlap),
        (head(4, [0x20, 0, 0]), TooLong(0x20_0000)),
        (many, Streams),
        (vec![2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0], Size),
        (vec![2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0xFF, 0, 0, 0], Size),
        (vec![2, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 9], Size),
    ] {
        assert_eq!(read_in(&bytes, 3), Err(expected), "{bytes:?}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<f64>().prop_filter("equals itself", |number| !number.is_nan()).prop_map(Value::Number),
        any::<bool>().prop_map(Value::Bool),
        "\\PC{0,20}".prop_map(Value::Text),
        Just(Value::Text("x".repeat(70_000))),
        Just(Value::Null),
        Just(Value::Undefined),
        (0_u32..9).prop_map(|at| Value::Date(at.into())),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(("[a-z]{1,8}", inner.clone()), 0..6).prop_map(Value::Object),
            prop::collection::vec(inner, 0..6).prop_map(Value::List),
        ]
    })
}

proptest! {
    #[test]
    fn values_are_read_as_they_were_written(values in prop::collection::vec(value(), 0..6)) {
        prop_assert_eq!(amf0::read(&amf0::write(&values)), Ok(values));
    }

    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600), size in 1_usize..50) {
        let _ = amf0::read(&bytes);
        // The pieces make no difference.
        prop_assert_eq!(read_in(&bytes, size), read_in(&bytes, 1));
    }
}

#[test]
fn values_are_bounded() {
    let deep = [&[3, 0, 1, b'a'].repeat(100)[..], &[5]].concat();
    assert_eq!(amf0::read(&deep), Err(amf0::Malformed::Depth));
    assert_eq!(amf0::read(&[10, 0xFF, 0xFF, 0xFF, 0xFF]), Err(amf0::Malformed::Count));
    assert_eq!(amf0::read(&[5; 2000]), Err(amf0::Malformed::Count));
    assert_eq!(amf0::read(&[4]), Err(amf0::Malformed::Unknown(4)));
    assert_eq!(amf0::read(&[12, 0xFF, 0xFF, 0xFF, 0xFF, 1]), Err(amf0::Malformed::Truncated));
    let array = [8, 0, 0, 0, 9, 0, 1, b'a', 5, 0, 0, 9];
    assert_eq!(amf0::read(&array), Ok(vec![Value::Object(vec![("a".to_owned(), Value::Null)])]));
}

/// The other end, as far as a conversation needs it.
struct Server {
    publisher: Publisher,
    reader: Reader,
    at: usize,
}

impl Server {
    fn new() -> Self {
        let destination = Destination {
            app: "live2".to_owned(),
            tc_url: "rtmp://a.example/live2".to_owned(),
            name: "abcd-secret".to_owned(),
        };
        Self { publisher: Publisher::new(destination, 7), reader: Reader::new(LIMIT), at: 0 }
    }

    /// Past the handshake.
    fn shaken() -> Self {
        let mut server = Self::new();
        let hello = server.publisher.output().to_vec();
        assert_eq!((hello[0], hello.len()), (3, 1537));
        server.publisher.advance(hello.len());
        let greeting = [&[3][..], &[9; 1536], &hello[1..]].concat();
        // Byte by byte, and with the rest of a segment.
        for byte in &greeting {
            server.publisher.handle_bytes(std::slice::from_ref(byte)).unwrap();
        }
        assert_eq!(server.publisher.output()[..1536], [9; 1536]);
        server.publisher.advance(1536);
        server
    }

    /// What the publisher says next: the values of commands, by their names.
    fn hear(&mut self) -> Vec<(String, Vec<Value>)> {
        let output = self.publisher.output().to_vec();
        self.publisher.advance(output.len());
        self.at += output.len();
        self.reader.push(&output);
        let all = messages(&mut self.reader);
        let commands = all.into_iter().filter(|message| message.kind == 20);
        let values = commands.map(|message| amf0::read(&message.body).unwrap());
        values.map(|values| (values[0].as_text().unwrap().to_owned(), values)).collect()
    }

    fn say(&mut self, kind: u8, body: &[u8]) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        chunk::write(&mut bytes, 128, 3, Outgoing { kind, time: 0, stream: 0, body });
        self.publisher.handle_bytes(&bytes)
    }

    fn command(&mut self, values: &[Value]) -> Result<(), Fault> {
        self.say(20, &amf0::write(values))
    }

    fn result(&mut self, transaction: f64, result: Value) -> Result<(), Fault> {
        self.command(&[Value::text("_result"), Value::Number(transaction), Value::Null, result])
    }

    fn status(&mut self, level: &str, code: &str, description: &str) -> Result<(), Fault> {
        let fields = [("level", level), ("code", code), ("description", description)];
        let object = fields.map(|(name, text)| (name.to_owned(), Value::text(text)));
        let (name, number) = (Value::text("onStatus"), Value::Number(0.0));
        self.command(&[name, number, Value::Null, Value::Object(object.to_vec())])
    }

    /// Past everything before the answer to `publish`.
    fn asked() -> Self {
        let mut server = Self::shaken();
        server.hear();
        server.result(1.0, Value::Null).unwrap();
        server.hear();
        server.result(4.0, Value::Number(1.0)).unwrap();
        server.hear();
        server
    }
}

#[test]
fn a_stream_is_published_in_the_usual_order() {
    let mut server = Server::shaken();
    let connect = server.hear();
    assert_eq!(connect[0].1[2].get("app"), Some(&Value::text("live2")));
    assert_eq!(connect[0].1[2].get("tcUrl"), Some(&Value::text("rtmp://a.example/live2")));
    server.result(1.0, Value::Null).unwrap();
    let names: Vec<String> = server.hear().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["releaseStream", "FCPublish", "createStream"]);
    // One that knows no FCPublish.
    server.command(&[Value::text("_error"), Value::Number(3.0), Value::Null, Value::Null]).unwrap();
    server.result(4.0, Value::Number(5.0)).unwrap();
    let publish = server.hear();
    assert_eq!(publish[0].1[3..], [Value::text("abcd-secret"), Value::text("live")]);
    assert!(!server.publisher.is_publishing() && !server.publisher.takes_hevc());
    server.status("status", "NetStream.Publish.Start", "").unwrap();
    assert_eq!(server.publisher.poll_event(), Some(Event::Published));
    server.publisher.send(&Tag { content: Content::KeyFrame, time: 40, body: vec![0x17, 1, 0, 0, 0] });
    let output = server.publisher.output().to_vec();
    server.publisher.advance(output.len());
    server.reader.push(&output);
    let body = vec![0x17, 1, 0, 0, 0];
    assert_eq!(messages(&mut server.reader), [Message { kind: 9, time: 40, stream: 5, body }]);
    server.publisher.close();
    let names: Vec<String> = server.hear().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["FCUnpublish", "deleteStream"]);
}

#[test]
fn hevc_is_taken_where_the_server_says_so() {
    for (codec, expected) in [("hvc1", true), ("*", true), ("av01", false)] {
        let mut server = Server::shaken();
        let list = ("fourCcList".to_owned(), Value::List(vec![Value::text(codec)]));
        server.result(1.0, Value::Object(vec![list])).unwrap();
        assert_eq!(server.publisher.takes_hevc(), expected, "{codec}");
    }
}

#[test]
fn a_refusal_is_told_in_the_words_of_the_server_and_without_the_key() {
    let mut server = Server::asked();
    let refused = server.status("error", "NetStream.Publish.BadName", "abcd-secret is in use\n");
    let Err(Fault::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!((&*refusal.code, &*refusal.description), ("NetStream.Publish.BadName", "… is in use"));
    assert!(!format!("{:?}", server.publisher).contains("secret"));
    let mut server = Server::shaken();
    let information = Value::Object(vec![("code".to_owned(), Value::text("NetConnection.Connect.Rejected"))]);
    let refused = server.command(&[Value::text("_error"), Value::Number(1.0), Value::Null, information]);
    let Err(Fault::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code, "NetConnection.Connect.Rejected");
}

#[test]
fn a_ping_is_answered_and_what_comes_is_acknowledged() {
    let mut server = Server::asked();
    server.say(4, &[0, 6, 0, 0, 0, 9]).unwrap();
    let output = server.publisher.output().to_vec();
    server.publisher.advance(output.len());
    server.reader.push(&output);
    assert_eq!(messages(&mut server.reader)[0].body, [0, 7, 0, 0, 0, 9]);
    server.say(5, &2000_u32.to_be_bytes()).unwrap();
    server.say(18, &[5; 1500]).unwrap();
    let output = server.publisher.output().to_vec();
    server.reader.push(&output);
    let acknowledged = messages(&mut server.reader);
    assert_eq!((acknowledged.len(), acknowledged[0].kind), (1, 3));
    server.say(3, &77_u32.to_be_bytes()).unwrap();
    assert_eq!(server.publisher.poll_event(), Some(Event::Acknowledged(77)));
}

#[test]
fn what_is_no_rtmp_is_told_at_once() {
    let mut server = Server::new();
    assert!(!server.publisher.has_heard());
    assert_eq!(server.publisher.handle_bytes(b"HTTP/1.1 400 Bad Request"), Err(Fault::NoRtmp));
}

#[test]
fn what_was_sent_is_not_kept_where_the_server_is_slow() {
    let mut output = super::publisher::Output::default();
    for byte in 0..=255 {
        output.bytes.extend(std::iter::repeat_n(byte, 32 << 10));
        // Never all of it.
        output.advance(output.bytes.len() - output.sent - 1);
        assert!(output.bytes.len() <= super::publisher::MAX_SENT + (32 << 10) + 1);
        assert_eq!(output.bytes[output.sent..], [byte]);
    }
}
