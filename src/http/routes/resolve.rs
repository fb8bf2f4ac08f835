//! Pages of video platforms.

use super::operation::Operation;
use super::route::{Access, Cors, Route};
use crate::http::resolve::{self, Failed, PageMetrics, SystemHealth, VideoDocument};

/// What may go wrong with any page.
const REFUSALS: &[(u16, &str)] = &[
    (400, "`bad_id`, `bad_quality`, `unsupported`"),
    (403, "`login_required`"),
    (404, "`unavailable`, `unknown_format`"),
    (409, "`not_live`, `headers`, `ip_bound`, `split`, `no_file`, `drm`"),
    (415, "`drm`"),
    (451, "`geo`"),
    (502, "`network`, `crashed`, `broken`, `upstream`"),
    (503, "`rate_limited`, `busy`, `resolver_missing`, `no_room`, `no_store`"),
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
                    .leads(
                        302,
                        "The address, or the proxy where that does not work; `X-Direct` says which and why",
                    )
            },
        ),
        Route::new("/api/v2/stream/proxy/{platform}/{video_id}", Access::Viewer).cors(Cors::Transfers).get(
            resolve::proxy,
            || {
                asks("getPageFile", "The file of a page, through this server")
                    .query("quality", "`best` (unless given), `worst`, `audio`, or lines like `720p`.")
                    .query("format_id", "This form and no other.")
                    .query("download", "`1`: to be kept as a file.")
                    .sends(200, "video/mp4", "The file")
                    .sends(206, "video/mp4", "The range that `Range` names")
                    .leads(416, "The file has nothing of what `Range` names")
            },
        ),
        Route::new("/api/v2/stream/metrics", Access::Machine).get(resolve::metrics, || {
            Operation::new("getPageMetrics", "What was asked of pages, and what was sent of them")
                .json::<PageMetrics>(200, "Since the start")
        }),
        Route::new("/api/v2/system/health", Access::Machine).get(resolve::health, || {
            Operation::new("getSystemHealth", "Says how the server is, in the words of other streaming APIs")
                .json::<SystemHealth>(200, "It is well")
                .json::<SystemHealth>(503, "It is not")
        }),
    ]
}
