//! Lists the files of `web/dist`, which become part of the program.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    list_web_files();
}

/// Writes `web_files.rs`: a list of `(name, bytes)`, the names relative to `web/dist`.
fn list_web_files() {
    println!("cargo::rerun-if-changed=web/dist");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo names the package's folder");
    let dist = Path::new(&root).join("web/dist");
    let mut list = "&[\n".to_owned();
    for folder in ["", "assets/"] {
        let entries = fs::read_dir(dist.join(folder)).expect("web/dist is part of the repository");
        let paths = entries.map(|entry| entry.expect("the folder can be read").path());
        let mut files: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
        // A folder has no order of its own, and two builds should be the same.
        files.sort();
        for file in files {
            let name = file.file_name().and_then(OsStr::to_str).expect("the built files have plain names");
            let path = format!("/web/dist/{folder}{name}");
            // The compiler fills in where the repository lies: it may be moved with what was built.
            writeln!(
                list,
                "    ({:?}, include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),",
                format!("{folder}{name}")
            )
            .expect("a string takes everything");
        }
    }
    list.push(']');
    let out = env::var("OUT_DIR").expect("cargo names a folder for what is made");
    fs::write(Path::new(&out).join("web_files.rs"), list).expect("that folder can be written");
}
