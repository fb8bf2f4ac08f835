//! What programs ask that know HDHomeRun devices: the first device at the root, all of them below
//! a path.

use super::NO_DATABASE;
use super::operation::Operation;
use super::route::{Access, Route};
use crate::http::hdhomerun::{self as tuners, Discovery, LineupChannel, LineupStatus};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/discover.json", Access::Viewer).get(tuners::discover, || discover("discoverTuner")),
        Route::new("/hdhr/{device}/discover.json", Access::Viewer)
            .get(tuners::discover, || discover("discoverTunerOf")),
        Route::new("/lineup.json", Access::Viewer).get(tuners::lineup, || lineup("getTunerLineup")),
        Route::new("/hdhr/{device}/lineup.json", Access::Viewer)
            .get(tuners::lineup, || lineup("getTunerLineupOf")),
        Route::new("/lineup_status.json", Access::Viewer).get(tuners::status, || status("getTunerStatus")),
        Route::new("/hdhr/{device}/lineup_status.json", Access::Viewer)
            .get(tuners::status, || status("getTunerStatusOf")),
        Route::new("/lineup.post", Access::Viewer).act(tuners::scan, || scan("scanTuner")),
        Route::new("/hdhr/{device}/lineup.post", Access::Viewer).act(tuners::scan, || scan("scanTunerOf")),
        Route::new("/device.xml", Access::Viewer).get(tuners::device, || device("getTunerDevice")),
        Route::new("/hdhr/{device}/device.xml", Access::Viewer)
            .get(tuners::device, || device("getTunerDeviceOf")),
        Route::new("/auto/{tune}", Access::Viewer)
            .stream(tuners::watch, tuners::head, || watch("watchTuner")),
        Route::new("/hdhr/{device}/auto/{tune}", Access::Viewer)
            .stream(tuners::watch, tuners::head, || watch("watchTunerOf")),
    ]
}

fn of_device(id: &str, summary: &str) -> Operation {
    Operation::new(id, summary).fails(401, &["unauthorized"]).fails(404, &["no_tuner"])
}

fn discover(id: &str) -> Operation {
    of_device(id, "Which device it is, and where its channels are listed")
        .json::<Discovery>(200, "The device")
        .fails(503, NO_DATABASE)
}

fn lineup(id: &str) -> Operation {
    of_device(id, "The channels of the device")
        .json::<Vec<LineupChannel>>(200, "The channels")
        .fails(503, NO_DATABASE)
}

fn status(id: &str) -> Operation {
    of_device(id, "Says that nobody looks for channels").json::<LineupStatus>(200, "The state")
}

fn scan(id: &str) -> Operation {
    of_device(id, "Takes the wish to look for channels, of which all are known")
        .query("scan", "`start` or `abort`.")
        .leads(200, "Done")
        .fails(400, &["bad_request"])
}

fn device(id: &str) -> Operation {
    of_device(id, "The device as UPnP describes it")
        .sends(200, "application/xml", "The description")
        .fails(503, NO_DATABASE)
}

fn watch(id: &str) -> Operation {
    Operation::new(id, "The channel with this number as endless MPEG-TS: `v5` or `v5.1`")
        .sends(200, "video/mp2t", "The stream, once there is a picture")
        .fails(401, &["unauthorized"])
        .fails(403, &["not_allowed"])
        .fails(404, &["no_tuner", "unknown_channel", "unplayable_channel"])
        .fails(429, &["address_limit", "stream_limit"])
        .fails(503, &["no_source", "provider_limit", "channel_full", "no_bandwidth", "database_busy"])
}
