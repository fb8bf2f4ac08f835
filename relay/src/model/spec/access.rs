//! How servers are reached, as somebody wrote it.

use super::checker::Checker;
use crate::model::{Access, ProxyChoice, Scope, Trust};

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
        scope: match allow_private {
            Some(true) => Scope::Everywhere,
            // Said of one source, it takes back what its provider allows.
            Some(false) => Scope::Own,
            None => defaults.scope,
        },
        trust: trust.unwrap_or(defaults.trust),
        proxy: proxy.unwrap_or(defaults.proxy),
    }
}
