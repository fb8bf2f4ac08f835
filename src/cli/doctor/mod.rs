//! `forebay doctor`: what is missing and what is misconfigured on this machine, and what can be done
//! about it.
//!
//! Nothing is changed. `machine` looks, `rules` judges what was seen, `servers` asks those that
//! channels and playlists of the configuration come from.

mod machine;
mod rules;
mod servers;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::{Config, Environment};

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// All is well.
    Good,
    /// Something that many need is not there, or will not last.
    Warning,
    /// Forebay does not start, or does not do what the configuration says.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    level: Level,
    /// What was looked at.
    subject: String,
    /// How it is.
    message: String,
    /// What can be done about it; nothing where all is well.
    advice: Option<String>,
}

impl Finding {
    fn good(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Good, subject: subject.into(), message: message.into(), advice: None }
    }

    fn warning(subject: impl Into<String>, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warning, advice: Some(advice.into()), ..Self::good(subject, message) }
    }

    fn problem(subject: impl Into<String>, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Problem, advice: Some(advice.into()), ..Self::good(subject, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Good => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        };
        write!(f, "{level:<8} {}: {}", self.subject, self.message)?;
        self.advice.iter().try_for_each(|advice| write!(f, "\n         {advice}"))
    }
}

/// Prints what was found; fails with 1 where there is a problem. `apply` puts the command line over
/// the configuration.
pub fn doctor(path: &Path, apply: impl FnOnce(&mut Config)) -> ExitCode {
    let found = examine(path, Environment::of_process(), apply);
    // Whoever closed the pipe does not want to read it; the exit code still tells.
    let _ = print(&found, &mut io::stdout().lock());
    if worst(&found) == Level::Problem { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn examine(path: &Path, environment: Environment, apply: impl FnOnce(&mut Config)) -> Vec<Finding> {
    let mut config = match Config::load_with(path, environment) {
        Ok(config) => config,
        Err(error) => {
            let advice = "mend it; `forebay check` says more, and docs/config.md has every key";
            return vec![Finding::problem("configuration", error.to_string(), advice)];
        }
    };
    apply(&mut config);
    let mut found = rules::configuration(&config);
    found.extend(machine::look(&config));
    found.extend(servers::ask(&config));
    found
}

fn worst(found: &[Finding]) -> Level {
    found.iter().map(|finding| finding.level).max().unwrap_or(Level::Good)
}

fn print(found: &[Finding], out: &mut impl Write) -> io::Result<()> {
    for finding in found {
        writeln!(out, "{finding}")?;
    }
    let count = |level| found.iter().filter(|finding| finding.level == level).count();
    writeln!(out, "{} problems, {} warnings", count(Level::Problem), count(Level::Warning))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Those who do not say that all is well: level and subject.
    fn told(found: &[Finding]) -> Vec<(Level, &str)> {
        let bad = found.iter().filter(|finding| finding.level > Level::Good);
        bad.map(|finding| (finding.level, finding.subject.as_str())).collect()
    }

    fn run(text: &str, folder: &Path) -> Vec<Finding> {
        let path = folder.join("channels.toml");
        std::fs::write(&path, text).unwrap();
        examine(&path, Environment::default(), |_| {})
    }

    const CARD: &str = "[[channels]]\nid = \"a\"\nsources = [\"testcard://\"]\n";

    #[test]
    fn a_bad_configuration_is_the_only_finding() {
        let folder = tempfile::tempdir().unwrap();
        let found = run("[server]\nlisten = 3", folder.path());
        assert_eq!(told(&found), [(Level::Problem, "configuration")]);
    }

    #[test]
    fn what_stands_in_the_way_is_found_on_a_real_machine() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let gone = silent.local_addr().unwrap();
        drop(silent);
        // A file is where a folder should be.
        std::fs::write(folder.path().join("file"), "").unwrap();
        let text = format!(
            "[server]\nlisten = \"{}\"\n[data]\ndir = \"file/data\"\n[films]\nfolders = [\"missing\"]\n\
             [resolver]\ncommand = \"no-such-yt-dlp\"\n\
             [[channels]]\nid = \"a\"\nsources = [\"http://joe:secret@{gone}/a.ts\"]\n",
            taken.local_addr().unwrap(),
        );
        let found = run(&text, folder.path());
        let told = told(&found);
        let server = format!("server {gone}");
        for expected in [
            (Level::Problem, format!("address {}", taken.local_addr().unwrap())),
            (Level::Problem, "folder of the database".to_owned()),
            (Level::Problem, "films".to_owned()),
            (Level::Warning, "yt-dlp".to_owned()),
            (Level::Warning, server),
        ] {
            assert!(told.contains(&(expected.0, &expected.1)), "{expected:?} is not in {told:?}");
        }
        let mut text = Vec::new();
        print(&found, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(worst(&found), Level::Problem);
        // Nothing was made.
        assert!(!folder.path().join("hls_cache").exists() && !folder.path().join("data").exists());
    }

    #[test]
    fn a_running_forebay_is_no_problem() {
        let folder = tempfile::tempdir().unwrap();
        let data = crate::config::DataDir { path: folder.path().join("data"), is_configured: true };
        let _database = crate::db::Database::open(&data.path).unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!("[server]\nlisten = \"{}\"\n{CARD}", taken.local_addr().unwrap());
        let found = run(&text, folder.path());
        let address = format!("address {}", taken.local_addr().unwrap());
        assert!(found.iter().any(|finding| finding.subject == address && finding.level == Level::Good));
    }
}
