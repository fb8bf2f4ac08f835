//! `forebay check`: is this configuration good?

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::{Config, Environment, Origin, origins};

/// Prints what the file holds and what is doubtful in it; or what is wrong, and fails with 1.
pub fn check(path: &Path) -> ExitCode {
    // Whoever closed the pipe does not want to read it; the exit code still tells.
    report(path, Environment::of_process(), &mut io::stdout().lock(), &mut io::stderr().lock())
        .unwrap_or(ExitCode::FAILURE)
}

fn report(
    path: &Path,
    environment: Environment,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<ExitCode> {
    let config = match Config::load_with(path, environment) {
        Ok(config) => config,
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let path = path.display();
    for warning in config.warnings() {
        writeln!(err, "{path}: warning: {warning}")?;
    }
    let channels = count(config.channels.len(), "channel");
    let sources = count(config.channels.iter().map(|channel| channel.sources.len()).sum(), "source");
    writeln!(out, "{path}: ok, {channels}, {sources}")?;
    for Origin { key, by, .. } in origins(&config) {
        writeln!(out, "  {key}: {by}")?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> (ExitCode, String, String) {
        run_with(text, Environment::default())
    }

    fn run_with(text: &str, environment: Environment) -> (ExitCode, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("channels.toml");
        std::fs::write(&path, text).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = report(&path, environment, &mut out, &mut err).unwrap();
        let shown =
            |bytes| String::from_utf8(bytes).unwrap().replace(&*path.to_string_lossy(), "channels.toml");
        (code, shown(out), shown(err))
    }

    #[test]
    fn a_good_file_is_counted() {
        let text = "[[channels]]\nid = \"a\"\nsources = [\"testcard://\", \"http://h/\"]";
        let expected = "channels.toml: ok, 1 channel, 2 sources\n";
        assert_eq!(run(text), (ExitCode::SUCCESS, expected.into(), String::new()));
    }

    #[test]
    fn what_is_no_default_is_told_with_its_origin() {
        let text = "[stream]\nburst = \"1s\"\nidle_timeout = \"5s\"\n[[channels]]\nid = \"a\"\nsources = [\"testcard://\"]";
        let variable = ("FOREBAY_STREAM_IDLE_TIMEOUT".into(), "60s".into());
        let (code, out, _) = run_with(text, Environment::new([variable]));
        assert_eq!(code, ExitCode::SUCCESS);
        let expected = "channels.toml: ok, 1 channel, 1 source\n  stream.burst: line 2\n  stream.idle_timeout: FOREBAY_STREAM_IDLE_TIMEOUT\n";
        assert_eq!(out, expected);
    }

    #[test]
    fn a_doubtful_file_is_good_and_says_what() {
        let (code, out, err) = run("");
        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(out, "channels.toml: ok, 0 channels, 0 sources\n");
        assert_eq!(err, "channels.toml: warning: there are no channels\n");
    }

    #[test]
    fn a_bad_file_fails() {
        let (code, out, err) = run("[server]\nlisten = \"here\"");
        assert_eq!((code, out), (ExitCode::FAILURE, String::new()));
        assert!(err.starts_with("channels.toml:2:10: listen: "), "{err}");
    }
}
