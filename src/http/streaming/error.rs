//! Refusals in the shape of these routes.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::Refusal;
use crate::http::error::ApiError;
use crate::http::extract::JsonBody;
use crate::http::resolve::Refused;
use crate::{db, jobs, page_jobs};

/// The answer to a request that is refused, in the shape of these routes.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct StreamingError {
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    retry_after: Option<u64>,
    /// For programs.
    code: &'static str,
    /// For people.
    error: String,
    /// Of a page that is not to be had: why, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl StreamingError {
    pub(super) fn new(status: StatusCode, code: &'static str, error: impl Into<String>) -> Self {
        Self { status, retry_after: None, error: error.into(), code, reason: None }
    }

    pub(super) fn invalid(error: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION_FAILED", error)
    }

    /// The same, with when it is worth another try.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The same, with the reason of a page.
    pub(super) fn because(self, reason: Option<&str>) -> Self {
        Self { reason: reason.map(str::to_owned), ..self }
    }

    /// The channels cannot be read now.
    pub(super) fn database(error: &db::Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "DATABASE_UNAVAILABLE", error.to_string())
    }

    pub(super) fn no_channel() -> Self {
        Self::new(StatusCode::NOT_FOUND, "CHANNEL_NOT_FOUND", "there is no such channel or film")
    }

    pub(super) fn unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "TOKEN_NOT_FOUND", "there is no such token, or it is over")
    }
}

impl IntoResponse for StreamingError {
    fn into_response(self) -> Response {
        let (status, after) = (self.status, self.retry_after);
        // Pages of other origins may read why, as with every other error.
        let fields = [(header::CACHE_CONTROL, "no-store"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
        let mut response = (status, fields, Json(self)).into_response();
        if let Some(after) = after {
            response.headers_mut().insert(header::RETRY_AFTER, after.into());
        }
        response
    }
}

impl From<Refusal> for StreamingError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::TooManyTokens { span, .. } => {
                let (code, after) = match span {
                    "in a day" => ("SUBSCRIPTION_LIMIT_EXCEEDED", 3600),
                    "in an hour" => ("RATE_LIMIT_EXCEEDED", 600),
                    _ => ("RATE_LIMIT_EXCEEDED", 60),
                };
                let error = Self::new(StatusCode::TOO_MANY_REQUESTS, code, message);
                Self { retry_after: Some(after), ..error }
            }
            Refusal::Unknown { .. } => Self::unknown(),
            _ => Self::new(StatusCode::SERVICE_UNAVAILABLE, "DATABASE_UNAVAILABLE", message),
        }
    }
}

/// A page that is not to be had.
impl From<Refused> for StreamingError {
    fn from(Refused { status, reason, message, retry_after }: Refused) -> Self {
        let code = match status {
            StatusCode::BAD_REQUEST => "VALIDATION_FAILED",
            StatusCode::TOO_MANY_REQUESTS => "MAX_CONCURRENT_STREAMS",
            _ => "PAGE_UNAVAILABLE",
        };
        let after = retry_after.filter(|after| !after.is_zero());
        let seconds = after.map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0));
        Self { retry_after: seconds, ..Self::new(status, code, message).because(Some(reason)) }
    }
}

impl From<jobs::Refusal> for StreamingError {
    fn from(refusal: jobs::Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            jobs::Refusal::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "REQUEST_NOT_FOUND", message),
            jobs::Refusal::Ended { .. } => Self::new(StatusCode::CONFLICT, "REQUEST_ENDED", message),
            jobs::Refusal::Full => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "QUEUE_FULL", message).retry_after(10)
            }
            _ => Self::new(StatusCode::SERVICE_UNAVAILABLE, "DATABASE_UNAVAILABLE", message),
        }
    }
}

impl From<page_jobs::Refusal> for StreamingError {
    fn from(refusal: page_jobs::Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            page_jobs::Refusal::Unknown => Self::new(StatusCode::NOT_FOUND, "DOWNLOAD_NOT_FOUND", message),
            page_jobs::Refusal::WrongState(_) => Self::new(StatusCode::CONFLICT, "WRONG_STATE", message),
            page_jobs::Refusal::TooMany => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_DOWNLOADS", message)
            }
            page_jobs::Refusal::Queue(refusal) => refusal.into(),
            page_jobs::Refusal::Database(error) => Self::database(&error),
        }
    }
}

/// What is wrong with the words of a request is told in the shape of these routes; what is wrong
/// with how it came, as everywhere.
#[expect(clippy::result_large_err, reason = "a refusal is on its way out, once a request")]
pub(super) fn body<T>(given: Result<JsonBody<T>, ApiError>) -> Result<T, Response> {
    match given {
        Ok(body) => Ok(body.0),
        Err(error) if error.status == StatusCode::BAD_REQUEST => {
            Err(StreamingError::invalid(&error.message).into_response())
        }
        Err(error) => Err(error.into_response()),
    }
}
