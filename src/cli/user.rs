//! `forebay user`: users, from the host. It always works: beside a server that runs, and without
//! one.

use std::fmt::Write as _;
use std::io::{self, BufRead as _};
use std::path::Path;
use std::process::ExitCode;

use super::args::UserCommand;
use super::backup::tell;
use crate::accounts::commands;
use crate::accounts::secret::Secret;
use crate::config::{Config, Environment};
use crate::db::users::{Role, User};

/// Does it to the database that this configuration names; fails with 1.
pub fn user(config: &Path, command: &UserCommand) -> ExitCode {
    tell(run(config, command))
}

fn run(path: &Path, command: &UserCommand) -> anyhow::Result<String> {
    let folder = Config::load_with(path, Environment::of_process())?.data.path;
    match command {
        UserCommand::Add { name, role, password_stdin } => {
            let typed = typed(*password_stdin)?;
            let made_up = commands::add(&folder, name, *role, typed.as_deref())?;
            Ok(told(&format!("{name}: added"), made_up.as_ref()))
        }
        UserCommand::Reset { name, password_stdin } => {
            let typed = typed(*password_stdin)?;
            let made_up = commands::reset(&folder, name, typed.as_deref())?;
            Ok(told(&format!("{name}: reset, and signed out everywhere"), made_up.as_ref()))
        }
        UserCommand::List => Ok(table(&commands::list(&folder)?)),
    }
}

/// A line of the standard input, where it is asked for.
fn typed(is_asked: bool) -> io::Result<Option<String>> {
    if !is_asked {
        return Ok(None);
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn told(done: &str, made_up: Option<&Secret>) -> String {
    let password = made_up.map(|secret| format!("\npassword {}", secret.reveal()));
    format!("{done}{}", password.unwrap_or_default())
}

fn table(users: &[User]) -> String {
    let mut text = format!("{:<24} {:<9} state", "name", "role");
    for user in users {
        let role = match user.spec.role {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        };
        let state = match (user.spec.disabled, user.spec.expires_at) {
            (true, _) => "disabled".to_owned(),
            (false, Some(at)) => format!("until {at}"),
            (false, None) => "active".to_owned(),
        };
        let _ = write!(text, "\n{:<24} {role:<9} {state}", user.spec.name);
    }
    text
}
