//! Files of other programs. No message has a piece of one: they hold passwords.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// The largest file that is read: the channels of a hundred thousand have some hundred megabytes.
const MAX_FILE: u64 = 512 << 20;

/// A document of JSON.
pub(super) fn json(path: &Path) -> anyhow::Result<Value> {
    json_of(path, &read(path)?)
}

/// The same; nothing where there is no such file.
pub(super) fn json_if_there(path: &Path) -> anyhow::Result<Option<Value>> {
    Ok(match fs::exists(path) {
        Ok(false) => None,
        _ => Some(json(path)?),
    })
}

fn json_of(path: &Path, text: &[u8]) -> anyhow::Result<Value> {
    let value: Value =
        serde_json::from_slice(text).with_context(|| format!("{} is no JSON", path.display()))?;
    ensure!(value.is_object(), "{} is no JSON object", path.display());
    Ok(value)
}

/// A document of YAML.
pub(super) fn yaml(path: &Path) -> anyhow::Result<Value> {
    let text = read(path)?;
    // Its message may repeat a password.
    let value: Value = serde_yaml_ng::from_slice(&text).map_err(|error| {
        let line = error.location().map(|at| format!(", line {}", at.line())).unwrap_or_default();
        anyhow::anyhow!("{} is no YAML{line}", path.display())
    })?;
    ensure!(value.is_object(), "{} has no settings", path.display());
    Ok(value)
}

/// The first line of a file that has one secret.
pub(super) fn secret(path: &Path) -> anyhow::Result<String> {
    let text = String::from_utf8(read(path)?).ok();
    let line = text.as_deref().and_then(|text| text.lines().next()).unwrap_or_default().trim();
    ensure!(!line.is_empty(), "{} has no text in its first line", path.display());
    Ok(line.to_owned())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = || format!("cannot read {}", path.display());
    let length = fs::metadata(path).with_context(unreadable)?.len();
    if length > MAX_FILE {
        bail!("{} is too large: {} MiB are read at most", path.display(), MAX_FILE >> 20);
    }
    let read: io::Result<Vec<u8>> = fs::read(path);
    read.with_context(unreadable)
}
