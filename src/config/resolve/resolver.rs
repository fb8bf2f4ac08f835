//! `[resolver]`.

use std::path::Path;
use std::time::Duration;

use forebay_core::resolve::Limits as DeskLimits;
use forebay_relay::model::{Checker, Limits, limits_ms};

use super::super::Resolver;
use super::super::file::ResolverFile;

/// From what the quickest page takes to what nobody waits for.
const TIMEOUT: Limits<Duration> = limits_ms(1_000, 300_000);

/// From the interpreter with nothing to do to what a machine has to spare.
const MEMORY: Limits<u64> = Limits { min: 64 << 20, max: 1 << 36 };

/// From a clip to a large disk.
const CACHE: Limits<u64> = Limits { min: 16 << 20, max: 1 << 42 };

/// From after each page to a day.
const IDLE: Limits<Duration> = limits_ms(1_000, 86_400_000);

/// From what a platform bears to a week.
const TTL: Limits<Duration> = limits_ms(10_000, 604_800_000);

/// More than platforms bear, and than memory allows.
const MAX_RUNNING: i64 = 64;

pub(super) fn resolver(
    checker: &mut Checker,
    typed: Option<&ResolverFile>,
    folder: &Path,
    allow_private: bool,
) -> Resolver {
    let (default, typed) = (Resolver::default(), typed.cloned().unwrap_or_default());
    let limits = default.limits;
    let dir = |text: &str| {
        if text.trim().is_empty() {
            return Err("an empty name is no folder");
        }
        Ok(folder.join(text))
    };
    Resolver {
        command: checker.words("command", typed.command.as_ref()).unwrap_or(default.command),
        plugin_dirs: checker.list("plugin_dirs", typed.plugin_dirs.as_deref().unwrap_or_default(), dir),
        proxy: checker.field("proxy", typed.proxy.as_ref(), |text| text.parse()),
        timeout: checker.duration("timeout", typed.timeout.as_ref(), &TIMEOUT).unwrap_or(default.timeout),
        memory: checker.size("memory", typed.memory.as_ref(), &MEMORY).unwrap_or(default.memory),
        idle_stop: checker
            .duration("idle_stop", typed.idle_stop.as_ref(), &IDLE)
            .unwrap_or(default.idle_stop),
        cache: checker.size("cache", typed.cache.as_ref(), &CACHE).unwrap_or(default.cache),
        downloads: checker.size("downloads", typed.downloads.as_ref(), &CACHE).unwrap_or(default.downloads),
        allow_private,
        limits: DeskLimits {
            running: checker
                .number("max_running", typed.max_running.as_ref(), MAX_RUNNING)
                .unwrap_or(limits.running),
            info_lifetime: checker
                .duration("info_ttl", typed.info_ttl.as_ref(), &TTL)
                .unwrap_or(limits.info_lifetime),
            address_lifetime: checker
                .duration("url_ttl", typed.url_ttl.as_ref(), &TTL)
                .unwrap_or(limits.address_lifetime),
            ..limits
        },
    }
}
