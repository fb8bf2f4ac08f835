//! Decides whether viewers are sent to by `sendfile`: on Linux, unless the environment says
//! `FOREBAY_PORTABLE=1`, by which the way of all other systems can be built and tested on Linux
//! too.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(sendfile)");
    println!("cargo::rerun-if-env-changed=FOREBAY_PORTABLE");
    let is_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if is_linux && env::var_os("FOREBAY_PORTABLE").is_none() {
        println!("cargo::rustc-cfg=sendfile");
    }
}
