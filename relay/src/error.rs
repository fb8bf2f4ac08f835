//! Words of the system.

use std::io;

/// The system's words without its number: "No such file or directory".
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or(&text).into()
}
