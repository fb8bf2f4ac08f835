//! A film whose file is still being written: all of it that is there, and what comes.
//!
//! Its length is not known, so no answer tells one. Whoever asks for a part that is there gets that
//! part; whoever asks for all of it, or for everything from some place on as RFC 8673 has it, is
//! sent what comes until the file stands still.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::{Instant, sleep};

use super::Films;
use super::sending::{FilmBody, Path, Sending};
use super::viewers::FilmViewer;
use crate::films::{Content, FilmId, Video};
use crate::http::live::no_body;
use crate::http::range::{GrowingPart, Part};

/// How often a file is looked at for more. Players have seconds in advance.
const LOOK: Duration = Duration::from_millis(250);

/// How long a request waits for the first byte that it wants, where all before are there.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is read at once: a recorder writes a few of these in a second.
const STEP: u64 = 4 * Content::BLOCK;

/// It is another one at every moment.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The answer with a file that grows. Who asks for the head alone is no viewer.
pub(super) async fn send(
    films: &Films,
    video: &Video,
    file: Arc<File>,
    viewer: Option<Arc<FilmViewer>>,
    (method, headers): (&Method, &HeaderMap),
) -> io::Result<Response> {
    let fixed = [
        (header::CONTENT_TYPE, HeaderValue::from_static(video.media_type())),
        (header::CACHE_CONTROL, NO_STORE),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
    ];
    let growth = Growth { films: films.clone(), film: video.id, file, viewer };
    let body = |growth: Growth, at| {
        let is_head = *method == Method::HEAD;
        if is_head { no_body() } else { growth.into_body(at) }
    };
    let mut size = growth.size().await?;
    let part = loop {
        let until = Instant::now() + PATIENCE;
        match GrowingPart::of(headers, size) {
            // A range is defined for `GET` alone (RFC 9110, section 14.2).
            _ if *method == Method::HEAD => break GrowingPart::Part(Part::Whole),
            // Who has all that is there asks for what is next.
            GrowingPart::Part(Part::Nothing) if GrowingPart::begin(headers) == Some(size) => {
                let wait = async {
                    while growth.size().await? == size && growth.goes_on() && Instant::now() < until {
                        sleep(LOOK).await;
                    }
                    growth.size().await
                };
                let now = wait.await?;
                if now == size {
                    break GrowingPart::Part(Part::Nothing);
                }
                size = now;
            }
            part => break part,
        }
    };
    let ranged = |from: u64, last: u64| {
        let range = HeaderValue::try_from(format!("bytes {from}-{last}/*")).expect("digits");
        [(header::CONTENT_RANGE, range)]
    };
    Ok(match part {
        GrowingPart::Part(Part::Whole) => (fixed, body(growth, 0)).into_response(),
        GrowingPart::AllFrom { start, last } => {
            (StatusCode::PARTIAL_CONTENT, fixed, ranged(start, last), body(growth, start)).into_response()
        }
        GrowingPart::Part(Part::Nothing) => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response()
        }
        GrowingPart::Part(Part::Of { start, end }) => {
            let sized = [(header::CONTENT_LENGTH, HeaderValue::from(end - start))];
            let mut response = (StatusCode::PARTIAL_CONTENT, fixed, ranged(start, end - 1), sized, no_body())
                .into_response();
            if *method != Method::HEAD {
                let content = Arc::new(Content::whole(growth.file, size));
                let (disk, traffic) = (films.shelf.clone(), Arc::clone(&films.traffic));
                let body = FilmBody { content, part: start..end, disk, viewer: growth.viewer, traffic };
                response.extensions_mut().insert(Sending::new(body));
            }
            response
        }
    })
}

/// A file that grows, and who is sent it.
#[derive(Debug)]
struct Growth {
    films: Films,
    film: FilmId,
    file: Arc<File>,
    viewer: Option<Arc<FilmViewer>>,
}

impl Growth {
    /// Bytes that are there.
    async fn size(&self) -> io::Result<u64> {
        let file = Arc::clone(&self.file);
        self.films.shelf.aside(move || file.metadata().map(|data| data.len())).await?
    }

    /// Whether more may come, as far as is known: the library tells when the file stands still.
    fn goes_on(&self) -> bool {
        let video = self.films.library.videos().find(self.film);
        video.is_some_and(|video| video.is_growing())
    }

    /// What is there from `at` on, and what comes.
    fn into_body(self, at: u64) -> Body {
        Body::from_stream(stream::try_unfold((at, self), |(at, growth)| async move {
            let next = async {
                loop {
                    // What was written before it stood still is there when that is known.
                    let goes_on = growth.goes_on();
                    let bytes = growth.read(at).await?;
                    if !bytes.is_empty() || !goes_on {
                        return Ok::<_, io::Error>(bytes);
                    }
                    sleep(LOOK).await;
                }
            };
            let bytes = match &growth.viewer {
                None => next.await?,
                Some(viewer) => tokio::select! {
                    biased;
                    () = viewer.ended() => return Err(io::Error::other("the viewer may not go on")),
                    () = viewer.closed() => return Ok(None),
                    bytes = next => bytes?,
                },
            };
            if let Some(viewer) = &growth.viewer {
                viewer.touch();
            }
            growth.films.traffic.note(Path::Read, bytes.len());
            let behind = at + bytes.len() as u64;
            Ok((!bytes.is_empty()).then_some((bytes, (behind, growth))))
        }))
    }

    /// Some of what is there from `at` on.
    async fn read(&self, at: u64) -> io::Result<Bytes> {
        let file = Arc::clone(&self.file);
        let read = move || {
            let size = file.metadata()?.len();
            match size.checked_sub(at) {
                None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter")),
                Some(0) => Ok(Bytes::new()),
                Some(_) => Content::whole(file, size).read_some(at, STEP),
            }
        };
        self.films.shelf.aside(read).await?
    }
}
