//! Tokens of streams, and analyses and downloads of pages of video platforms.

use std::time::Duration;

use super::operation::Operation;
use super::route::{Access, Cors, Route};
use crate::http::extract::BodyLimits;
use crate::http::streaming::{
    self, AnalysisStarted, AnalyzeFields, Analyzed, Done, DownloadFields, DownloadList, QueueNews,
    StreamingError, TokenFields, TokenList, TokenMade, TokenRefreshed,
};
use crate::page_jobs::DownloadDocument;

/// A channel, a group, a title.
const BODY: BodyLimits = BodyLimits { bytes: 8 << 10, time: Duration::from_secs(30) };

/// The refusals in the shape of these routes.
fn refuses(operation: Operation, statuses: &[(u16, &str)]) -> Operation {
    statuses
        .iter()
        .fold(operation, |operation, (status, codes)| operation.json::<StreamingError>(*status, codes))
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/api/streaming/token", Access::Viewer).counted_by_owner().post(
            streaming::create,
            BODY,
            || {
                let operation =
                    Operation::new("createStreamToken", "Makes a token that plays for half an hour")
                        .takes::<TokenFields>()
                        .json::<TokenMade>(200, "The token, which is shown now and never again")
                        .fails(401, &["unauthorized"])
                        .fails(408, &["body_timeout"])
                        .fails(413, &["body_too_large"])
                        .fails(415, &["unsupported_media_type"]);
                refuses(
                    operation,
                    &[
                        (400, "`VALIDATION_FAILED`"),
                        (403, "`FORBIDDEN`"),
                        (404, "`CHANNEL_NOT_FOUND`, `GROUP_NOT_FOUND`, `PAGE_UNAVAILABLE`"),
                        (409, "`PAGE_UNAVAILABLE`"),
                        (429, "`RATE_LIMIT_EXCEEDED`, `SUBSCRIPTION_LIMIT_EXCEEDED`"),
                        (503, "`DATABASE_UNAVAILABLE`"),
                    ],
                )
            },
        ),
        Route::new("/api/streaming/token/{token}", Access::Viewer).counted_by_owner().delete(
            streaming::revoke,
            || {
                own(Operation::new("revokeStreamToken", "Ends a token, and whoever watches by it"))
                    .json::<Done>(200, "It is over")
            },
        ),
        Route::new("/api/streaming/token/{token}/refresh", Access::Viewer).counted_by_owner().act(
            streaming::refresh,
            || {
                own(Operation::new("refreshStreamToken", "Lets a token live on, up to a day in all"))
                    .json::<TokenRefreshed>(200, "Until when")
            },
        ),
        Route::new("/api/streaming/tokens", Access::Viewer).counted_by_owner().get(streaming::list, || {
            Operation::new("listStreamTokens", "The tokens of whoever asks that are good now")
                .query("all", "`true` for those of everybody: for admins who are signed in.")
                .json::<TokenList>(200, "Without themselves")
                .fails(401, &["unauthorized"])
        }),
        Route::new("/api/streaming/stream/{token}", Access::Viewer).cors(Cors::Answers).stream(
            streaming::stream,
            streaming::head,
            || {
                let operation = Operation::new(
                    "playStreamToken",
                    "What a token is good for: MPEG-TS without end, or a file",
                )
                .query("channel", "The channel, where the token is for a group.")
                .sends(200, "video/mp2t", "The stream, once there is a picture; or the file")
                .sends(206, "video/mp4", "Of a file, the range that `Range` names")
                .leads(416, "The file has nothing of what `Range` names")
                .fails(401, &["unauthorized"])
                .fails(403, &["bound_token"])
                .fails(429, &["address_limit", "stream_limit"]);
                refuses(
                    operation,
                    &[
                        (400, "`VALIDATION_FAILED`"),
                        (404, "`CHANNEL_NOT_FOUND`, `PAGE_UNAVAILABLE`"),
                        (409, "`PAGE_UNAVAILABLE`"),
                    ],
                )
            },
        ),
    ]
    .into_iter()
    .chain(analyses())
    .chain(downloads())
    .collect()
}

/// What any request about a page may be refused with.
const PAGE: &[(u16, &str)] = &[
    (400, "`VALIDATION_FAILED`"),
    (403, "`FORBIDDEN`, `PAGE_UNAVAILABLE`"),
    (404, "`PAGE_UNAVAILABLE`"),
    (409, "`PAGE_UNAVAILABLE`"),
    (415, "`PAGE_UNAVAILABLE`"),
    (451, "`PAGE_UNAVAILABLE`"),
    (502, "`PAGE_UNAVAILABLE`"),
    (503, "`PAGE_UNAVAILABLE`, `QUEUE_FULL`, `DATABASE_UNAVAILABLE`"),
    (504, "`PAGE_UNAVAILABLE`"),
];

fn analyses() -> Vec<Route> {
    vec![
        Route::new("/api/streaming/analyze", Access::Viewer).counted_by_owner().post(
            streaming::analyze,
            BODY,
            || {
                let operation = Operation::new("analyzePage", "Looks at a page of a video platform")
                    .takes::<AnalyzeFields>()
                    .json::<AnalysisStarted>(200, "It has begun; the same one, where it had begun before")
                    .fails(401, &["unauthorized"])
                    .fails(408, &["body_timeout"])
                    .fails(413, &["body_too_large"]);
                refuses(refuses(operation, PAGE), &[(429, "`RATE_LIMIT_EXCEEDED`")])
            },
        ),
        Route::new("/api/streaming/analyze/{id}", Access::Viewer)
            .counted_by_owner()
            .get(streaming::result, || {
                let operation = Operation::new("getAnalysis", "What was found of a page")
                    .json::<Analyzed>(200, "The result, or how far it is")
                    .fails(401, &["unauthorized"]);
                refuses(
                    operation,
                    &[
                        (400, "`ANALYSIS_FAILED`"),
                        (403, "`FORBIDDEN`"),
                        (404, "`REQUEST_NOT_FOUND`"),
                        (503, "`DATABASE_UNAVAILABLE`"),
                    ],
                )
            })
            .delete(streaming::cancel_analysis, || {
                let operation = Operation::new("cancelAnalysis", "Ends an analysis")
                    .json::<Done>(200, "It ends")
                    .fails(401, &["unauthorized"]);
                refuses(
                    operation,
                    &[
                        (403, "`FORBIDDEN`"),
                        (404, "`REQUEST_NOT_FOUND`"),
                        (409, "`REQUEST_ENDED`"),
                        (503, "`DATABASE_UNAVAILABLE`"),
                    ],
                )
            }),
        Route::new("/api/streaming/analyze/{id}/retry", Access::Viewer).counted_by_owner().act(
            streaming::retry_analysis,
            || {
                let operation = Operation::new("retryAnalysis", "Looks at the page of an analysis once more")
                    .json::<AnalysisStarted>(200, "It has begun")
                    .fails(401, &["unauthorized"]);
                refuses(
                    operation,
                    &[
                        (403, "`FORBIDDEN`, `PAGE_UNAVAILABLE`"),
                        (404, "`REQUEST_NOT_FOUND`"),
                        (429, "`RATE_LIMIT_EXCEEDED`"),
                        (503, "`QUEUE_FULL`, `DATABASE_UNAVAILABLE`"),
                    ],
                )
            },
        ),
        Route::new("/api/streaming/thumbnails/{platform}/{video_id}", Access::Viewer).get(
            streaming::thumbnail,
            || {
                let operation = Operation::new("getThumbnail", "The picture of a page, through this server")
                    .sends(200, "image/*", "The picture")
                    .fails(401, &["unauthorized"]);
                refuses(operation, PAGE)
            },
        ),
        Route::new("/api/streaming/events", Access::Viewer).get(streaming::listen, || {
            let about = "Server-Sent Events: `fetch` (a download), `job` (an analysis), `queue`";
            let operation = Operation::new("listenToDownloads", "How one's analyses and downloads go on")
                .messages::<QueueNews>(about)
                .fails(401, &["unauthorized"]);
            refuses(operation, &[(403, "`FORBIDDEN`"), (503, "`TOO_MANY_LISTENERS`")])
        }),
    ]
}

fn downloads() -> Vec<Route> {
    vec![
        Route::new("/api/streaming/downloads", Access::Viewer)
            .counted_by_owner()
            .get(streaming::list_downloads, || {
                let operation = Operation::new("listDownloads", "The downloads of whoever asks")
                    .json::<DownloadList>(200, "The newest first")
                    .fails(401, &["unauthorized"]);
                refuses(operation, &[(403, "`FORBIDDEN`"), (503, "`DATABASE_UNAVAILABLE`")])
            })
            .post(streaming::create_download, BODY, || {
                let operation = Operation::new("createDownload", "Keeps the file of a page")
                    .takes::<DownloadFields>()
                    .json::<DownloadDocument>(201, "It has begun")
                    .fails(401, &["unauthorized"])
                    .fails(408, &["body_timeout"])
                    .fails(413, &["body_too_large"]);
                refuses(refuses(operation, PAGE), &[(429, "`TOO_MANY_DOWNLOADS`")])
            }),
        Route::new("/api/streaming/downloads/{id}", Access::Viewer)
            .counted_by_owner()
            .get(streaming::download, || of_download("getDownload", "A download")),
        Route::new("/api/streaming/downloads/{id}/pause", Access::Viewer)
            .counted_by_owner()
            .act(streaming::pause_download, || {
                of_download("pauseDownload", "Stops a download until it is resumed")
            }),
        Route::new("/api/streaming/downloads/{id}/resume", Access::Viewer)
            .counted_by_owner()
            .act(streaming::resume_download, || {
                of_download("resumeDownload", "Has a paused download go on where it was")
            }),
        Route::new("/api/streaming/downloads/{id}/retry", Access::Viewer)
            .counted_by_owner()
            .act(streaming::retry_download, || {
                of_download("retryDownload", "Has a failed download go on where it was")
            }),
        Route::new("/api/streaming/downloads/{id}/cancel", Access::Viewer)
            .counted_by_owner()
            .act(streaming::cancel_download, || {
                of_download("cancelDownload", "Removes a download and its file")
            }),
        Route::new("/api/streaming/downloads/{id}/file", Access::Viewer).counted_by_owner().get(
            streaming::download_file,
            || {
                let operation =
                    Operation::new("getDownloadedFile", "The file of a download that is complete")
                        .sends(200, "video/mp4", "The file")
                        .sends(206, "video/mp4", "The range that `Range` names")
                        .leads(416, "The file has nothing of what `Range` names")
                        .fails(401, &["unauthorized"]);
                refuses(operation, DOWNLOAD)
            },
        ),
    ]
}

/// What a request about one's download may be refused with.
const DOWNLOAD: &[(u16, &str)] = &[
    (403, "`FORBIDDEN`"),
    (404, "`DOWNLOAD_NOT_FOUND`"),
    (409, "`WRONG_STATE`"),
    (503, "`QUEUE_FULL`, `DATABASE_UNAVAILABLE`"),
];

/// Of one's own download, which is the answer.
fn of_download(id: &str, summary: &str) -> Operation {
    let operation = Operation::new(id, summary)
        .json::<DownloadDocument>(200, "The download")
        .fails(401, &["unauthorized"]);
    refuses(operation, DOWNLOAD)
}

/// Of one's own token, by itself or by its number.
fn own(operation: Operation) -> Operation {
    let operation = operation.fails(401, &["unauthorized"]);
    refuses(operation, &[(404, "`TOKEN_NOT_FOUND`"), (503, "`DATABASE_UNAVAILABLE`")])
}
