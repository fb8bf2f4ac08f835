//! Downloads: files of pages that people keep.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use super::error::{StreamingError, body};
use super::owner::Owner;
use crate::accounts::Title;
use crate::db::downloads::{DownloadId, NewDownload};
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, JsonRequest};
use crate::http::live::no_body;
use crate::http::resolve::{Visit, attachment, find_file, media_type_of, read_page, send_part};
use crate::page_jobs::{DownloadDocument, Refusal, Wanted};

/// Bytes that are read of a file at once.
const BLOCK: u64 = 128 << 10;

/// Bytes of a title that are kept.
const MAX_TITLE: usize = 256;

/// What is to be downloaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DownloadFields {
    /// The form: what the platform calls it, as an analysis tells; the best one that is a file
    /// unless given.
    format_id: Option<String>,
    /// The address of a page of a video platform.
    url: String,
}

impl JsonRequest for DownloadFields {
    const EXAMPLE: &'static str =
        r#"{"url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ", "formatId": "18"}"#;
}

/// The downloads of whoever asks.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DownloadList {
    count: usize,
    /// The newest first.
    downloads: Vec<DownloadDocument>,
}

/// `POST /api/streaming/downloads`
pub(in crate::http) async fn create_download(
    state: State,
    owner: Owner,
    given: Result<JsonBody<DownloadFields>, ApiError>,
) -> Result<(StatusCode, Json<DownloadDocument>), Response> {
    let fields = body(given)?;
    let create = async {
        let page = read_page(&fields.url)?;
        let file = find_file(&state, &owner.client, page, fields.format_id.as_deref()).await?;
        let title = file.known.document.title.clone();
        let mut title = title.unwrap_or_else(|| file.key.page.id().to_owned());
        title.truncate(title.floor_char_boundary(MAX_TITLE));
        let new = NewDownload {
            owner: owner.name.clone(),
            page: file.key.page.to_string(),
            format: file.key.format.clone(),
            title,
            quality: file.format.quality(),
            extension: file.format.ext.clone().unwrap_or_else(|| "mp4".to_owned()),
        };
        let created = state.downloads.create(&state.jobs, new, owner.actor.clone()).await?;
        Ok((StatusCode::CREATED, Json(created)))
    };
    create.await.map_err(|error: StreamingError| error.into_response())
}

/// `GET /api/streaming/downloads`
pub(in crate::http) async fn list_downloads(
    state: State,
    owner: Owner,
) -> Result<Json<DownloadList>, StreamingError> {
    let downloads = state.downloads.list(&owner.name).await?;
    Ok(Json(DownloadList { count: downloads.len(), downloads }))
}

/// `GET /api/streaming/downloads/{id}`
pub(in crate::http) async fn download(
    state: State,
    owner: Owner,
    Path(id): Path<String>,
) -> Result<Json<DownloadDocument>, StreamingError> {
    Ok(Json(state.downloads.get(&owner.name, number(&id)?).await?))
}

/// `POST /api/streaming/downloads/{id}/pause`
pub(in crate::http) async fn pause_download(
    state: State,
    owner: Owner,
    Path(id): Path<String>,
) -> Result<Json<DownloadDocument>, StreamingError> {
    change(&state, owner, &id, Wanted::Pause).await
}

/// `POST /api/streaming/downloads/{id}/resume`
pub(in crate::http) async fn resume_download(
    state: State,
    owner: Owner,
    Path(id): Path<String>,
) -> Result<Json<DownloadDocument>, StreamingError> {
    change(&state, owner, &id, Wanted::Resume).await
}

/// `POST /api/streaming/downloads/{id}/retry`
pub(in crate::http) async fn retry_download(
    state: State,
    owner: Owner,
    Path(id): Path<String>,
) -> Result<Json<DownloadDocument>, StreamingError> {
    change(&state, owner, &id, Wanted::Retry).await
}

async fn change(
    state: &State,
    owner: Owner,
    id: &str,
    wanted: Wanted,
) -> Result<Json<DownloadDocument>, StreamingError> {
    let wanted = (wanted, owner.actor);
    Ok(Json(state.downloads.change(&state.jobs, &owner.name, number(id)?, wanted).await?))
}

/// `POST /api/streaming/downloads/{id}/cancel`: it is gone, and its file.
pub(in crate::http) async fn cancel_download(
    state: State,
    owner: Owner,
    Path(id): Path<String>,
) -> Result<Json<DownloadDocument>, StreamingError> {
    Ok(Json(state.downloads.cancel(&owner.name, number(&id)?).await?))
}

/// `GET /api/streaming/downloads/{id}/file`, and HEAD.
pub(in crate::http) async fn download_file(
    state: State,
    owner: Owner,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, StreamingError> {
    let (path, download) = state.downloads.file(&owner.name, number(&id)?).await?;
    let gone = |_: io::Error| {
        StreamingError::new(StatusCode::NOT_FOUND, "DOWNLOAD_NOT_FOUND", "the file of the download is gone")
    };
    let open = move || {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok((Arc::new(file), length))
    };
    let opened = spawn_blocking(open).await.map_err(io::Error::other);
    let (file, length) = opened.and_then(|opened| opened).map_err(gone)?;
    let extension = Some(&*download.of.extension);
    let mut fields = HeaderMap::new();
    let mut set = |name: HeaderName, value: &'static str| {
        fields.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_TYPE, media_type_of(extension));
    set(header::ACCEPT_RANGES, "bytes");
    set(header::CACHE_CONTROL, "private, no-cache");
    let name = attachment(Some(&download.of.title), extension);
    fields.extend(name.map(|name| (header::CONTENT_DISPOSITION, name)));
    let tag = download.file.map_or_else(|| "0".to_owned(), |file| file.tag);
    let visit = if method == Method::HEAD {
        None
    } else {
        Some(Visit::begin(&state, &owner.client, &Title::of_page(&download.of.page)).await?)
    };
    let body = |range| visit.map_or_else(no_body, |visit| send(file, range, visit));
    Ok(send_part((length, &tag), fields, &headers, body))
}

/// A range of a file that is on the disk.
fn send(file: Arc<File>, range: Range<u64>, visit: Visit) -> Body {
    Body::from_stream(stream::try_unfold((file, range, visit), |(file, mut range, visit)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let (of, start) = (Arc::clone(&file), range.start);
        let end = range.end.min(start + BLOCK);
        let read = spawn_blocking(move || {
            let mut block = vec![0; usize::try_from(end - start).expect("a block is small")];
            of.read_exact_at(&mut block, start)?;
            Ok::<_, io::Error>(Bytes::from(block))
        });
        let bytes = tokio::select! {
            () = visit.ended() => return Err(io::Error::other("the viewer may not go on")),
            bytes = read => bytes.map_err(io::Error::other)??,
        };
        range.start = end;
        Ok(Some((bytes, (file, range, visit))))
    }))
}

fn number(id: &str) -> Result<DownloadId, StreamingError> {
    id.parse().map(DownloadId).map_err(|_| Refusal::Unknown.into())
}
