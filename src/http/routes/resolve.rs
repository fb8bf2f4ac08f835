//! Pages of video platforms.

use super::operation::Operation;
use super::route::{Access, Cors, Route};
use crate::http::resolve::{self, Failed, VideoDocument};

/// What may go wrong with any page.
const REFUSALS: &[(u16, &str)] = &[
    (400, "`bad_id`, `bad_quality`, `unsupported`"),
    (403, "`login_required`"),
    (404, "`unavailable`, `unknown_format`"),
    (409, "`not_live`, `headers`, `split`, `drm`"),
    (415, "`drm`"),
    (451, "`geo`"),
    (502, "`network`, `crashed`, `broken`"),
    (503, "`rate_limited`, `busy`, `resolver_missing`"),
    (504, "`timeout`"),
];

fn asks(id: &str, summary: &str) -> Operation {
    let operation = Operation::new(id, summary)
        .query("url", "The address of the page, where the platform is `auto`.")
        .fails(401, &["unauthorized"]);
    REFUSALS.iter().fold(operation, |operation, (status, reasons)| operation.json::<Failed>(*status, reasons))
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/api/v2/videos/{platform}/{video_id}", Access::Viewer).cors(Cors::Answers).get(
            resolve::video,
            || {
                asks("getPage", "What a page of a video platform is, and in which forms it is to be had")
                    .query("no_cache", "`true`: ask the platform, even if the page is known.")
                    .json::<VideoDocument>(200, "The page")
            },
        ),
        Route::new("/api/v2/stream/direct/{platform}/{video_id}", Access::Viewer).cors(Cors::Answers).get(
            resolve::direct,
            || {
                asks("getPageAddress", "Leads to the media of a page, at the platform")
                    .query("quality", "`best` (unless given), `worst`, `audio`, or lines like `720p`.")
                    .query("format_id", "This form and no other.")
                    .query("strict", "`true`: also where the platform wants to see more than the address.")
                    .leads(302, "The address")
            },
        ),
    ]
}
