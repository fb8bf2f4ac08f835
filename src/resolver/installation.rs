//! Where yt-dlp is, and which Python runs it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::programs::find;

/// Bytes of the command that are looked at for its interpreter.
const HEAD: u64 = 1024;

/// A yt-dlp that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installation {
    /// The Python.
    pub(super) python: PathBuf,
    /// Where its modules are looked for besides: the command itself, where it is an archive.
    pub(super) paths: Vec<PathBuf>,
    /// When it was installed: a newer one is another.
    stamp: Option<SystemTime>,
}

/// Why there is no yt-dlp to run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoInstallation {
    #[error("there is no {0}: install it with \"pipx install yt-dlp\"")]
    Missing(String),
    #[error("{0} is not run by Python: install yt-dlp with \"pipx install yt-dlp\"")]
    NoPython(PathBuf),
    #[error("{} cannot be read: {error}", .path.display())]
    Unreadable { path: PathBuf, error: String },
}

impl Installation {
    /// The one that a command belongs to: a name to look for, or a path.
    pub(super) fn find(command: &str) -> Result<Self, NoInstallation> {
        let path = find(OsStr::new(command)).ok_or_else(|| NoInstallation::Missing(command.to_owned()))?;
        let unreadable =
            |error: io::Error| NoInstallation::Unreadable { path: path.clone(), error: error.to_string() };
        // What pip installs is a script, and changes with each version.
        let path = path.canonicalize().map_err(unreadable)?;
        let file = File::open(&path).map_err(unreadable)?;
        let stamp = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head).map_err(unreadable)?;
        let python = interpreter(&head).and_then(|python| find(OsStr::new(&python)));
        let python = python.ok_or_else(|| NoInstallation::NoPython(path.clone()))?;
        // The archive that the project offers begins with a line like a script's.
        let is_archive = head.windows(4).any(|window| window == b"PK\x03\x04");
        Ok(Self { python, paths: if is_archive { vec![path] } else { Vec::new() }, stamp })
    }
}

/// The Python that the first lines of a script name.
fn interpreter(head: &[u8]) -> Option<String> {
    let line = |line: &[u8]| String::from_utf8(line.to_vec()).ok();
    let mut lines = head.split(|&byte| byte == b'\n').map(line);
    let first = lines.next()??;
    let first = first.strip_prefix("#!")?.trim();
    let (program, rest) = first.split_once(' ').unwrap_or((first, ""));
    let python = match Path::new(program).file_name()?.to_str()? {
        "env" => rest.split_whitespace().find(|word| !word.starts_with('-'))?.to_owned(),
        // A path that is too long for the first line: '''exec' "/a/long/path/python3" "$0" "$@"
        "sh" => lines.next()??.strip_prefix("'''exec' ")?.split('"').nth(1)?.to_owned(),
        _ => program.to_owned(),
    };
    let name = Path::new(&python).file_name()?.to_str()?;
    (name.starts_with("python") || name.starts_with("pypy")).then_some(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_python_of_a_script_is_found_however_it_is_named() {
        let table = [
            ("#!/usr/bin/python3\nimport x", Some("/usr/bin/python3")),
            ("#!/opt/venv/bin/python\n", Some("/opt/venv/bin/python")),
            ("#!/usr/bin/env python3\n", Some("python3")),
            ("#!/usr/bin/env -S python3 -s\n", Some("python3")),
            ("#! /usr/bin/python3.11 -E\n", Some("/usr/bin/python3.11")),
            (
                "#!/bin/sh\n'''exec' \"/a/very long/path/python3\" \"$0\" \"$@\"\n",
                Some("/a/very long/path/python3"),
            ),
            ("#!/bin/sh\nexec something\n", None),
            ("#!/usr/bin/perl\n", None),
            ("\x7fELF", None),
            ("", None),
        ];
        for (head, expected) in table {
            assert_eq!(interpreter(head.as_bytes()).as_deref(), expected, "{head}");
        }
    }

    #[test]
    fn what_is_missing_is_said_with_what_installs_it() {
        let error = Installation::find("no-such-yt-dlp").unwrap_err();
        assert_eq!(error.to_string(), "there is no no-such-yt-dlp: install it with \"pipx install yt-dlp\"");
        let error = Installation::find("/bin/sh").unwrap_err();
        assert!(error.to_string().ends_with("install yt-dlp with \"pipx install yt-dlp\""), "{error}");
    }
}
