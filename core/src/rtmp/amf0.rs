//! AMF0, the values in RTMP's commands (Action Message Format, AMF 0, 2007).

/// Objects within objects. Commands have two.
const MAX_DEPTH: u32 = 8;

/// Values in one message. Commands have some dozens.
const MAX_VALUES: usize = 1024;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// A text; what is no UTF-8 in it is replaced.
    Text(String),
    /// Names and values, in their order. An ECMA array is read as the same.
    Object(Vec<(String, Self)>),
    /// Values alone.
    List(Vec<Self>),
    /// Nothing.
    Null,
    /// Not even nothing.
    Undefined,
    /// Milliseconds since 1970.
    Date(f64),
}

/// Bytes that are no values, or too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It breaks off in a value.
    #[error("a value breaks off")]
    Truncated,
    /// A type that commands do not have.
    #[error("a value of the unknown type {0}")]
    Unknown(u8),
    /// Objects within objects within objects.
    #[error("values are nested too deeply")]
    Depth,
    /// More values than any command has.
    #[error("too many values")]
    Count,
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The value of this name, if it is an object that has one.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => {
                out.push(0);
                out.extend(number.to_be_bytes());
            }
            Self::Bool(value) => out.extend([1, u8::from(*value)]),
            Self::Text(text) => write_text(text, out),
            Self::Object(fields) => {
                out.push(3);
                for (name, value) in fields {
                    write_name(name, out);
                    value.write(out);
                }
                // An empty name and the mark of the end.
                out.extend([0, 0, 9]);
            }
            Self::List(values) => {
                out.push(10);
                out.extend(length(values.len()));
                for value in values {
                    value.write(out);
                }
            }
            Self::Null => out.push(5),
            Self::Undefined => out.push(6),
            Self::Date(at) => {
                out.push(11);
                out.extend(at.to_be_bytes());
                // A time zone, which is 0 by the specification.
                out.extend([0, 0]);
            }
        }
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// A name has 65,535 bytes at most; a longer one is cut.
fn write_name(name: &str, out: &mut Vec<u8>) {
    let name = &name.as_bytes()[..name.len().min(usize::from(u16::MAX))];
    out.extend(u16::try_from(name.len()).expect("it was cut").to_be_bytes());
    out.extend_from_slice(name);
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // Longer texts have a type of their own with a length of 32 bits.
    if u16::try_from(text.len()).is_ok() {
        out.push(2);
        write_name(text, out);
    } else {
        out.push(12);
        out.extend(length(text.len()));
        out.extend_from_slice(text.as_bytes());
    }
}

/// Writes values one after the other.
pub fn write(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        value.write(&mut out);
    }
    out
}

/// Reads all values of a message.
///
/// # Errors
/// Says what is wrong with the first bad one.
pub fn read(bytes: &[u8]) -> Result<Vec<Value>, Malformed> {
    let mut reader = Reader { rest: bytes, left: MAX_VALUES };
    let mut values = Vec::new();
    while !reader.rest.is_empty() {
        values.push(reader.value(0)?);
    }
    Ok(values)
}

struct Reader<'a> {
    rest: &'a [u8],
    /// How many more values there may be.
    left: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        Ok(self.take(N)?.try_into().expect("so many were taken"))
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    fn number(&mut self) -> Result<f64, Malformed> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    fn text(&mut self, length: usize) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn name(&mut self) -> Result<String, Malformed> {
        let length = u16::from_be_bytes(self.array()?);
        self.text(length.into())
    }

    fn count(&mut self) -> Result<usize, Malformed> {
        Ok(usize::try_from(u32::from_be_bytes(self.array()?)).unwrap_or(usize::MAX))
    }

    fn value(&mut self, depth: u32) -> Result<Value, Malformed> {
        // A hostile message must not use up the stack.
        if depth > MAX_DEPTH {
            return Err(Malformed::Depth);
        }
        self.left = self.left.checked_sub(1).ok_or(Malformed::Count)?;
        Ok(match self.byte()? {
            0 => Value::Number(self.number()?),
            1 => Value::Bool(self.byte()? != 0),
            2 => Value::Text(self.name()?),
            3 => Value::Object(self.fields(depth)?),
            5 => Value::Null,
            6 => Value::Undefined,
            8 => {
                // Its count is a hint; it ends as an object does.
                self.count()?;
                Value::Object(self.fields(depth)?)
            }
            10 => {
                let count = self.count()?;
                // Before room is made: the count is the server's word.
                if count > self.left {
                    return Err(Malformed::Count);
                }
                Value::List((0..count).map(|_| self.value(depth + 1)).collect::<Result<_, _>>()?)
            }
            11 => {
                let at = self.number()?;
                self.take(2)?;
                Value::Date(at)
            }
            12 => {
                let length = self.count()?;
                Value::Text(self.text(length)?)
            }
            other => return Err(Malformed::Unknown(other)),
        })
    }

    fn fields(&mut self, depth: u32) -> Result<Vec<(String, Value)>, Malformed> {
        let mut fields = Vec::new();
        loop {
            let name = self.name()?;
            // Only both together end it: a field may have an empty name.
            if name.is_empty() && self.rest.first() == Some(&9) {
                self.byte()?;
                return Ok(fields);
            }
            fields.push((name, self.value(depth + 1)?));
        }
    }
}
