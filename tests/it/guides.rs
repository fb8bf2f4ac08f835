//! The guides: each command in a block marked `sh` works, beside a server as a reader has it.

use std::path::PathBuf;

use crate::program::Setup;

/// The server that the guides speak of.
const SERVER: &str = "http://127.0.0.1:8080";

/// The blocks marked `sh` of a document.
fn blocks(text: &str) -> Vec<&str> {
    let parts = text.split("```sh\n").skip(1);
    parts.map(|part| part.split("```").next().expect("a text has a first part")).collect()
}

async fn run(guide: &str) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/guides").join(guide)).expect("there is such a guide");
    let sample = std::fs::read_to_string(root.join("channels.toml")).expect("the sample is there");
    let sample = sample.replace("0.0.0.0:8080", "127.0.0.1:0");
    let setup = Setup::with_config(&sample);
    let folder = setup.path("");
    // As it is called where it was installed.
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).expect("the folder of a test is new");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_forebay"), bin.join("forebay"))
        .expect("a test has what it needs");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a test has what it needs"));
    let program = setup.arg("--config").arg("channels.toml").start().await;
    let server = format!("http://{}", program.address());
    let blocks = blocks(&text);
    assert!(!blocks.is_empty(), "{guide} has no commands");
    for block in blocks {
        let output = tokio::process::Command::new("sh")
            .args(["-e", "-c", &block.replace(SERVER, &server)])
            .env("PATH", &path)
            .current_dir(&folder)
            .output()
            .await
            .expect("there is a shell");
        let said = String::from_utf8_lossy(&output.stdout);
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{guide}: {block}{said}{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewers_commands_work() {
    run("viewer.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_familys_commands_work() {
    run("family.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_commands_work() {
    run("provider.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developers_commands_work() {
    run("developer.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_commands_work() {
    run("operator.md").await;
}
