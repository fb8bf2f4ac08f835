//! scratch
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::print_stdout, clippy::unwrap_used)]
use forebay_core::health::{Inspector, Rule, Rules};
use forebay_core::time::{Moment, Pcr};
use forebay_core::ts::Packet;
use forebay_core::ts::sync::{Item, Sync};
use std::time::Duration;
fn main() {
    for arg in std::env::args().skip(1) {
        let loops: usize = std::env::var("LOOPS").ok().and_then(|v| v.parse().ok()).unwrap_or(1);
        let mut rules = Rules { frozen_picture: Some(Duration::from_secs(5)), ..Rules::default() };
        if loops == 1 {
        } else {
            rules.repeating = std::env::var("REP").ok().map(|_| Duration::from_secs(2));
        }
        if let Ok(v) = std::env::var("DMG") {
            rules.damaged = v.parse().ok();
        }
        let mut inspector = Inspector::new(rules, None);
        let paths: Vec<&str> = arg.split(',').collect();
        let mut now = 0.0f64;
        let mut faults = vec![];
        let mut pcrpid = None;
        let mut start = None;
        let data: Vec<Vec<u8>> = paths.iter().map(|p| std::fs::read(p).unwrap()).collect();
        for turn in 0..loops {
            if turn > 0 && std::env::var("NOSEAM").is_err() {
                inspector.seam();
            }
            let mut last: Option<Pcr> = None;
            for d in &data {
                inspector.cut();
                let mut sync = Sync::new();
                for piece in d.chunks(1316) {
                    let mut items = sync.push(piece);
                    while let Some(item) = items.next() {
                        let Item::Packets(run) = item else { continue };
                        for p in run {
                            let v = Packet::new(p);
                            if let Some(pcr) = v.pcr() {
                                if *pcrpid.get_or_insert(v.pid()) == v.pid() {
                                    if let Some(l) = last {
                                        let s = pcr.since(l) as f64 / 27e6;
                                        if s > 0.0 && s < 5.0 {
                                            now += s;
                                        }
                                    }
                                    last = Some(pcr);
                                }
                            }
                        }
                        let at = Moment::new(Duration::from_secs_f64(now + 1.0));
                        start.get_or_insert(now);
                        inspector.push(at, run);
                        while let Some(f) = inspector.poll_fault() {
                            faults.push(format!("{:.2}s {}: {}", now, f.rule.name(), f));
                        }
                    }
                }
            }
        }
        let name =
            paths[0].rsplit('/').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("/");
        let _ = Rule::ALL;
        println!("{name} {now:.1}s {}", if faults.is_empty() { "-".to_string() } else { faults.join("; ") });
    }
}
