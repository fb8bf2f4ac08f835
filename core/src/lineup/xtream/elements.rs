//! The objects of a long JSON document, one at a time.
//!
//! Panels answer with 30 MB in one array. Its objects are handed out as they come, so that memory
//! is that of one, and what is wrong with one costs only that one. Some panels send an object with
//! a member for each, since PHP makes one of an array with gaps: its members are handed out with
//! their keys.

/// Longer objects are passed over. Real ones have 300 to 3,000 bytes.
pub const MAX_ELEMENT_BYTES: usize = 64 * 1024;

/// No key that means anything is longer.
const MAX_KEY_BYTES: usize = 64;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An array.
    Array,
    /// An object.
    Object,
    /// A page of the web.
    Html,
    /// Another value, such as `null` or a text.
    Other,
    /// No byte, or nothing but blanks.
    Nothing,
}

/// What there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// What the document is.
    pub shape: Shape,
    /// It came to its end.
    pub is_whole: bool,
    /// Objects that were handed out.
    pub elements: u64,
    /// Objects that were longer than [`MAX_ELEMENT_BYTES`].
    pub too_long: u64,
}

/// Where in the document we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before it.
    Start,
    /// In the outermost value.
    Top,
    /// In an object within it, which is kept.
    Element,
    /// Behind it.
    End,
    /// In something that we do not read.
    Elsewhere,
}

/// Takes a document apart. Pushed bytes, hands out objects.
#[derive(Debug)]
pub struct Elements {
    place: Place,
    shape: Shape,
    /// Brackets that are open.
    depth: u32,
    in_text: bool,
    is_escaped: bool,
    key: Vec<u8>,
    element: Vec<u8>,
    is_too_long: bool,
    handed_out: u64,
    too_long: u64,
}

impl Default for Elements {
    fn default() -> Self {
        Self {
            place: Place::Start,
            shape: Shape::Nothing,
            depth: 0,
            in_text: false,
            is_escaped: false,
            key: Vec::new(),
            element: Vec::new(),
            is_too_long: false,
            handed_out: 0,
            too_long: 0,
        }
    }
}

impl Elements {
    /// Takes the next bytes. Hands out the key, which is empty in an array, and the bytes of each
    /// object that they complete.
    pub fn push(&mut self, bytes: &[u8], take: &mut impl FnMut(&[u8], &[u8])) {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            match self.place {
                Place::Start => self.start(byte),
                Place::Top => self.top(byte),
                Place::Element => {
                    // Most bytes mean nothing: they are copied in runs.
                    let run = rest.iter().position(|&byte| self.means_something(byte)).unwrap_or(rest.len());
                    self.keep(&rest[..run]);
                    if let Some((&byte, behind)) = rest[run..].split_first() {
                        self.keep(&[byte]);
                        self.structure(byte);
                        if self.depth == 1 && !self.in_text {
                            self.hand_out(take);
                        }
                        rest = behind;
                    } else {
                        rest = &[];
                    }
                    continue;
                }
                Place::End | Place::Elsewhere => return,
            }
            rest = behind;
        }
    }

    /// Ends the document.
    pub fn finish(self) -> Summary {
        let Self { shape, handed_out: elements, too_long, place, .. } = self;
        Summary { shape, is_whole: place == Place::End, elements, too_long }
    }

    fn start(&mut self, byte: u8) {
        (self.shape, self.place) = match byte {
            b'[' => (Shape::Array, Place::Top),
            b'{' => (Shape::Object, Place::Top),
            b'<' => (Shape::Html, Place::Elsewhere),
            // Blanks, and the mark of the byte order.
            b' ' | b'\t' | b'\r' | b'\n' | 0xEF | 0xBB | 0xBF => return,
            _ => (Shape::Other, Place::Elsewhere),
        };
        self.depth = 1;
    }

    fn top(&mut self, byte: u8) {
        let was_in_text = self.in_text;
        self.structure(byte);
        if self.depth == 0 {
            self.place = Place::End;
        } else if self.depth == 2 && byte == b'{' && !was_in_text {
            self.place = Place::Element;
            self.keep(b"{");
        } else if self.depth == 1 && self.shape == Shape::Object {
            // The last text before an object is its key.
            if self.in_text && !was_in_text {
                self.key.clear();
            } else if self.in_text && self.key.len() < MAX_KEY_BYTES {
                self.key.push(byte);
            }
        }
    }

    fn means_something(&self, byte: u8) -> bool {
        match byte {
            _ if self.is_escaped => true,
            b'"' | b'\\' => true,
            b'{' | b'}' | b'[' | b']' => !self.in_text,
            _ => false,
        }
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_text => self.is_escaped = true,
            b'"' => self.in_text = !self.in_text,
            b'{' | b'[' if !self.in_text => self.depth = self.depth.saturating_add(1),
            b'}' | b']' if !self.in_text => self.depth -= 1,
            _ => (),
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.element.len() + bytes.len() > MAX_ELEMENT_BYTES {
            self.is_too_long = true;
        } else {
            self.element.extend_from_slice(bytes);
        }
    }

    fn hand_out(&mut self, take: &mut impl FnMut(&[u8], &[u8])) {
        if self.is_too_long {
            self.too_long += 1;
        } else {
            self.handed_out += 1;
            take(&self.key, &self.element);
        }
        self.is_too_long = false;
        self.element.clear();
        self.key.clear();
        self.place = Place::Top;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, size: usize) -> (Vec<String>, Summary) {
        let (mut elements, mut found) = (Elements::default(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            elements.push(piece, &mut |key, element| {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                found.push(format!("{}{}", text(key), text(element)));
            });
        }
        (found, elements.finish())
    }

    #[test]
    fn objects_come_one_by_one() {
        let table: [(&str, &[&str], Shape, bool); 14] = [
            ("[{\"a\":1}, {\"b\":\"}]{\\\"\"}]", &["{\"a\":1}", "{\"b\":\"}]{\\\"\"}"], Shape::Array, true),
            ("[{\"a\":{\"b\":[{}]}}]", &["{\"a\":{\"b\":[{}]}}"], Shape::Array, true),
            ("{\"0\":{\"a\":1},\"x\":3,\"7\":{}}", &["0{\"a\":1}", "7{}"], Shape::Object, true),
            ("{\"user_info\":{\"auth\":0}}", &["user_info{\"auth\":0}"], Shape::Object, true),
            ("\u{feff} []", &[], Shape::Array, true),
            ("[null,1,\"{\",[{}],{}]", &["{}"], Shape::Array, true),
            ("{}", &[], Shape::Object, true),
            ("[{\"a\":1},{\"b\"", &["{\"a\":1}"], Shape::Array, false),
            ("[{}]{}", &["{}"], Shape::Array, true),
            ("null", &[], Shape::Other, false),
            ("<html>[{}]", &[], Shape::Html, false),
            ("", &[], Shape::Nothing, false),
            ("  \n", &[], Shape::Nothing, false),
            ("[}]]", &[], Shape::Array, true),
        ];
        for (text, expected, shape, is_whole) in table {
            for size in [1, 2, 3, 1000] {
                let (found, summary) = read(text, size);
                assert_eq!(found, expected, "{text} in pieces of {size}");
                assert_eq!((summary.shape, summary.is_whole), (shape, is_whole), "{text}");
            }
        }
    }

    #[test]
    fn an_object_that_is_too_long_is_passed_over() {
        let text = format!("[{{\"a\":\"{}\"}},{{\"b\":1}}]", "x".repeat(MAX_ELEMENT_BYTES));
        let (found, summary) = read(&text, 1000);
        assert_eq!((found, summary.too_long), (vec!["{\"b\":1}".to_owned()], 1));
    }
}
