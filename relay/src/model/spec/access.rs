//! How servers are reached, as somebody wrote it.

use super::checker::Checker;
use crate::model::{Access, ProxyChoice, Trust};

/// What was typed about the way to servers; what was not is as in `defaults`.
pub(super) fn check_access(
    checker: &mut Checker,
    allow_private: Option<bool>,
    tls: Option<&String>,
    proxy: Option<&String>,
    defaults: Access,
) -> Access {
    let trust = checker.field("tls", tls, |text| text.parse::<Trust>());
    let proxy = checker.field("proxy", proxy, |text| text.parse::<ProxyChoice>());
    Access {
        allow_private: allow_private.unwrap_or(defaults.allow_private),
        trust: trust.unwrap_or(defaults.trust),
        proxy: proxy.unwrap_or(defaults.proxy),
    }
}
