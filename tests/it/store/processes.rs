//! Processes of their own for tests that kill them, or give them a disk of their own: this test
//! program once more, with one test of it.

use std::path::Path;
use std::process::{Command, Stdio};

/// Where such a process finds its folder; without it, it is nobody's.
const FOLDER: &str = "STORE_TEST_FOLDER";

/// The process that runs this test, which is ignored otherwise. `before` is what stands before it
/// on its command line.
pub(super) fn process(before: &[&str], test: &str, folder: &Path) -> Command {
    let program = std::env::current_exe().expect("Linux tells");
    let mut words = before.iter().map(AsRef::as_ref).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().expect("the program at least"));
    command
        .args(words)
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads", "1"])
        .env(FOLDER, folder)
        .stdin(Stdio::null());
    command
}

/// The folder of such a process; `None` in a usual run of the tests.
pub(super) fn folder() -> Option<std::path::PathBuf> {
    std::env::var_os(FOLDER).map(Into::into)
}

/// A shell that may mount what it likes and is seen by nobody: what stands behind it on the command
/// line are `$0` and `$@` of `script`. `None` where the system allows that to nobody.
pub(crate) fn unshared(script: &str) -> Option<[&str; 5]> {
    let allowed = Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status();
    allowed.is_ok_and(|status| status.success()).then_some(["unshare", "-rm", "sh", "-c", script])
}
