use super::*;

/// The head that is read from `answer`, lines ended by `|`, and what came behind it.
fn read(answer: &str) -> Result<(String, String), Fault> {
    let head = HeadReader::default().push(answer.as_bytes())?.expect("it is complete");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ok((text(head.bytes).replace("\r\n", "|"), text(head.rest)))
}

#[test]
fn odd_heads_are_read_as_players_read_them() {
    for (answer, mended) in [
        // Status lines.
        ("ICY 200 OK\r\nicy-name: x\r\n\r\n", "HTTP/1.0 200 OK|icy-name: x|Connection: close||"),
        ("HTTP/1.1  200   OK\r\n\r\n", "HTTP/1.1 200 OK|Connection: close||"),
        ("HTTP/1.1\t200\r\n\r\n", "HTTP/1.1 200 |Connection: close||"),
        ("HTTP/1.1 200\x0F OK \x0F\r\n\r\n", "HTTP/1.1 200 OK||"),
        ("http/1.1 200 ok\r\n\r\n", "HTTP/1.1 200 ok|Connection: close||"),
        ("HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.0 200 OK|Connection: close||"),
        ("HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 ||"),
        ("\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK||"),
        ("HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK||"),
        // Lengths.
        ("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 200 OK|Content-Length: 7||"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 7, 7\r\n\r\n", "HTTP/1.1 200 OK|Content-Length: 7||"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK|Connection: close||"),
        ("HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", "HTTP/1.1 200 OK|Connection: close||"),
        ("HTTP/1.1 200 OK\r\nContent-Length: +7\r\n\r\n", "HTTP/1.1 200 OK|Connection: close||"),
        ("HTTP/1.1 200 OK\r\nContent-Length: unlimited\r\n\r\n", "HTTP/1.1 200 OK|Connection: close||"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
            "HTTP/1.1 200 OK|Connection: close||",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 8\r\n\r\n",
            "HTTP/1.1 200 OK|Connection: close||",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 8\r\nContent-Length: 7\r\n\r\n",
            "HTTP/1.1 200 OK|Connection: close||",
        ),
        // Empty, unless the server means to end the connection.
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK|Content-Length: 0||"),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK|Connection: close||",
        ),
        ("HTTP/1.1  206 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 206 OK|Connection: close||"),
        (
            "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 302 Found|Content-Length: 0|Connection: close||",
        ),
        // Codings.
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK|Transfer-Encoding: chunked||",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked ; x=y\r\n\r\n",
            "HTTP/1.1 200 OK|Transfer-Encoding: chunked||",
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Connection: close||",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n",
            "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Connection: close||",
        ),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", "HTTP/1.0 200 OK|Connection: close||"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 7\r\n\r\n",
            "HTTP/1.1 200 OK|Content-Length: 7|Connection: close||",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK|Content-Encoding: gzip|Transfer-Encoding: chunked|Connection: close||",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, x\r\nContent-Length: 7\r\n\r\n",
            "HTTP/1.1 200 OK|Content-Encoding: x|Connection: close||",
        ),
        // Persistence.
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\n",
            "HTTP/1.0 200 OK|Content-Length: 7|Connection: close||",
        ),
        (
            "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 7\r\n\r\n",
            "HTTP/1.0 200 OK|Content-Length: 7|Connection: keep-alive||",
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 7\r\n\r\n",
            "HTTP/1.1 200 OK|Content-Length: 7|Connection: close||",
        ),
        // Fields that are none, folded ones, blanks, and bytes that may not be there.
        (
            "HTTP/1.1 200 OK\r\n fold\r\nA : 1\r\njunk\r\n fold\r\nB: 2,\r\n\t3\r\nbad name: 4\r\nC:\x015\r6\r\n\r\n",
            "HTTP/1.1 200 OK|A: 1|B: 2, 3|C: 5 6||",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length\r\n : 7\r\nContent-Length: 8\r\n\r\n",
            "HTTP/1.1 200 OK|Content-Length: 8||",
        ),
    ] {
        assert_eq!(read(answer), Ok((mended.into(), String::new())), "{answer:?}");
        // What was mended once stays as it is.
        assert_eq!(read(&mended.replace('|', "\r\n")), Ok((mended.into(), String::new())), "{answer:?}");
        let (answer, head) = (format!("{answer}abc"), mended.to_owned());
        assert_eq!(read(&answer), Ok((head.clone(), "abc".into())), "the body stays as it is");
        let mut reader = HeadReader::default();
        let mut bytes = answer.as_bytes().chunks(1);
        let found = bytes.by_ref().find_map(|byte| reader.push(byte).unwrap()).unwrap();
        assert_eq!(String::from_utf8(found.bytes).unwrap().replace("\r\n", "|"), head, "byte by byte");
        assert_eq!((found.rest.len(), bytes.len()), (0, 3));
    }
}

#[test]
fn interim_answers_are_left_out_and_counted() {
    let interim = "HTTP/1.1 100 Continue\r\nA: 1\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\n\r\nabc";
    let read_after = |count: usize| read(&[interim.repeat(count), last.to_owned()].concat());
    assert_eq!(read_after(16), Ok(("HTTP/1.1 200 OK||".into(), "abc".into())));
    assert_eq!(read_after(17), Err(Fault::TooManyInterim));
    // What follows is no HTTP any more, and none of ours.
    assert_eq!(read("HTTP/1.1 101 Switching\r\n\r\nabc").unwrap().1, "abc");
}

#[test]
fn what_is_no_answer_is_told_by_its_first_line() {
    for bytes in ["GET / HTTP/1.1\r\n", "\n\nG\x1F\x10\n", "HTTP/1.1\n", "HTTP/1.1 OK\n", "HTTP/1.1 20\n"] {
        assert_eq!(HeadReader::default().push(bytes.as_bytes()), Err(Fault::NotHttp), "{bytes:?}");
    }
    for bytes in ["HTTP/1.1 2000 OK\n", "HTTP/1.1 099 OK\n", "ICYX 200 OK\n", "<html> 200\n"] {
        assert_eq!(HeadReader::default().push(bytes.as_bytes()), Err(Fault::NotHttp), "{bytes:?}");
    }
}

#[test]
fn heads_have_limits() {
    let fields = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: 1\r\n".repeat(count));
    assert!(read(&fields(1000)).is_ok());
    assert_eq!(read(&fields(1001)), Err(Fault::TooManyFields));
    for line in ["HTTP/1.1 200 OK\r\nA: ", "HTTP/1.1 200 ", "", "\n", "HTTP/1.1 100 \n\nHTTP/1.1 200 OK\nA:"]
    {
        let endless =
            [line.as_bytes(), &if line == "\n" { b"\n" } else { b"a" }.repeat(MAX_HEAD + 1)].concat();
        assert_eq!(HeadReader::default().push(&endless), Err(Fault::TooLong), "{line:?}");
    }
}
