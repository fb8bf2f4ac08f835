//! `[hdhomerun]`.

use forebay_relay::model::Checker;

use super::super::Hdhomerun;
use super::super::file::HdhomerunFile;

/// As many as the vendor's protocol can name.
const MAX_TUNERS: i64 = 255;

pub(super) fn hdhomerun(checker: &mut Checker, typed: &HdhomerunFile) -> Hdhomerun {
    let default = Hdhomerun::default();
    Hdhomerun {
        is_on: typed.enabled.unwrap_or(default.is_on),
        is_discoverable: typed.discovery.unwrap_or(default.is_discoverable),
        name: checker.words("name", typed.name.as_ref()).unwrap_or(default.name),
        tuners: checker.number("tuners", typed.tuners.as_ref(), MAX_TUNERS),
    }
}
