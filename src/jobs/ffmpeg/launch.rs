//! Becoming a supervised program: this program once more, which asks the kernel for what only a
//! process itself may ask for, and then becomes the other one.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setpriority_process, setrlimit,
};
use tokio::process::Command;

/// The name of the hidden command.
pub const COMMAND: &str = "launch";

/// How nice a job is: it gives way to everything that viewers wait for.
const NICE: i32 = 10;

/// This very program, even when its file was replaced by another version meanwhile.
const ITSELF: &str = "/proc/self/exe";

/// A command that runs `program` under supervision. A program that has Forebay built in is not
/// Forebay: there, it runs without.
pub(super) fn command(program: &Path) -> Command {
    let is_forebay = std::env::current_exe().is_ok_and(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // So the system names a file that was replaced.
        name.trim_end_matches(" (deleted)") == env!("CARGO_PKG_NAME")
    });
    if !is_forebay || !cfg!(target_os = "linux") {
        return Command::new(program);
    }
    let mut command = Command::new(ITSELF);
    command.args([COMMAND, "--parent"]).arg(std::process::id().to_string()).arg("--").arg(program);
    command
}

/// Becomes the program that `words` name, within the limits of a job. Returns only if it cannot.
/// `parent` is the process with which it dies.
pub fn launch(parent: u32, words: &[OsString]) -> io::Error {
    let Some((program, arguments)) = words.split_first() else {
        return io::Error::other("there is no program to become");
    };
    if let Err(error) = prepare(parent) {
        return error;
    }
    std::process::Command::new(program).args(arguments).exec()
}

fn prepare(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before that.
    let expected = i32::try_from(parent).ok().and_then(Pid::from_raw);
    if getppid() != expected {
        return Err(io::Error::other("whoever started it has ended"));
    }
    setpriority_process(None, NICE)?;
    // What it has in memory are people's films.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}
