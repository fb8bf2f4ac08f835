//! What sections share whose entries have a secret: fields that must be there, and where a secret
//! comes from.

use std::path::Path;

use forebay_relay::error::reason;
use forebay_relay::model::Checker;

/// The largest file with a secret, in bytes.
const MAX_SECRET: u64 = 4096;

/// A field that must be there, and not be blank.
pub(super) fn required<'a>(
    checker: &mut Checker,
    key: &'static str,
    typed: Option<&'a String>,
) -> Option<&'a String> {
    let typed = typed.filter(|text| !text.trim().is_empty());
    if typed.is_none() {
        checker.fault(key, format!("{key}: is missing"));
    }
    typed
}

/// A secret, or what is where it is: `env:NAME` or `file:PATH`. No message repeats it.
pub(super) fn read(text: &str, folder: &Path) -> Result<String, String> {
    match text.trim().split_once(':') {
        Some(("env", name)) => {
            std::env::var(name).map_err(|_| format!("the variable {name} is not set, or no text"))
        }
        Some(("file", path)) => {
            let path = folder.join(path);
            let unreadable = |why: String| format!("cannot read {}: {why}", path.display());
            let size = std::fs::metadata(&path).map_err(|error| unreadable(reason(&error)))?;
            if !size.is_file() || size.len() > MAX_SECRET {
                return Err(unreadable("it is no small file".to_owned()));
            }
            std::fs::read_to_string(&path).map_err(|error| unreadable(reason(&error)))
        }
        _ => Ok(text.to_owned()),
    }
}
