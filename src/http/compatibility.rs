//! `/api/streams/{id}/compatibility`: whether a channel can be sent to a service as it is.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use forebay_core::targets::{Decision, Facts, READ_ON, Target, Treatment, UnknownTarget, WATCHED, decide};
use forebay_core::ts::survey::Survey;
use forebay_relay::channel::{AdmissionLimits, ListedChannel, ReaderKind, Refusal, Start, Subscription};
use http::StatusCode;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::State;
use super::error::ApiError;
use super::extract::{ById, Named};
use super::query::Query;

/// What a reader without a user adds to the priority of its channel.
const NO_USER: i32 = 0;

/// What has to be done with a channel for a service.
// The fields are in alphabetical order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Compatibility {
    /// Whether nothing has to be encoded.
    copy: bool,
    /// How much media was looked at.
    media_seconds: f64,
    /// When the limits of the services were read.
    read_on: &'static str,
    /// Why something has to be encoded.
    reasons: Vec<Finding>,
    sound: TreatmentName,
    target: &'static str,
    video: TreatmentName,
    /// What may go wrong even so.
    warnings: Vec<Finding>,
}

/// What becomes of pictures or of sound.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TreatmentName {
    /// It is passed on as it is.
    Copy,
    /// It is encoded anew.
    Encode,
    /// There is none.
    Absent,
}

/// Something that was found.
#[derive(Debug, Serialize, ToSchema)]
struct Finding {
    /// For programs: never renamed.
    code: &'static str,
    /// For people.
    message: String,
}

/// `GET /api/streams/{id}/compatibility?target=youtube`: watches the channel for a while, which
/// opens it.
pub(super) async fn of_channel(
    state: State,
    query: Query,
    Named { found, .. }: Named<ById>,
) -> Result<Json<Compatibility>, ApiError> {
    let name = query.value("target").unwrap_or_else(|| "generic".into());
    let target: Target =
        name.parse().map_err(|error: UnknownTarget| ApiError::bad_request(error.to_string()))?;
    let wanted = query.parsed("seconds").map_or(WATCHED, Duration::from_secs);
    let facts = watch(&state, &found, wanted.clamp(Duration::from_secs(1), WATCHED)).await?;
    Ok(Json(Compatibility::new(&target, &facts, &decide(&facts, &target))))
}

/// `HEAD`: nothing is opened.
pub(super) async fn head(_: Named<ById>) -> StatusCode {
    StatusCode::OK
}

/// What is known of a channel after so much time.
async fn watch(state: &State, found: &ListedChannel, time: Duration) -> Result<Facts, ApiError> {
    let admission = AdmissionLimits { max_bandwidth: None, served: &HashMap::new() };
    let reader = state.channels.join(found, (ReaderKind::Job, NO_USER), &admission)?;
    let mut subscription = Subscription::new(reader);
    match subscription.started().await {
        Start::Started => {}
        Start::Failed(failure) => return Err(ApiError::from(&*failure)),
        Start::Ended => return Err(Refusal::Closing.into()),
    }
    let mut survey = Survey::new(None);
    let read = async {
        while let Ok(Some(bytes)) = subscription.next().await {
            survey.push(&bytes);
        }
    };
    // A channel that ends before that is judged by what came.
    let _ = timeout(time, read).await;
    let report = survey.report();
    if report.program.is_none() {
        let message = "nothing came of the channel that can be judged";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_source", message));
    }
    Ok(Facts::of(&report))
}

impl Compatibility {
    fn new(target: &Target, facts: &Facts, decision: &Decision) -> Self {
        let finding = |(code, message): (&'static str, String)| Finding { code, message };
        Self {
            copy: decision.is_copy(),
            media_seconds: facts.watched.as_secs_f64(),
            read_on: READ_ON,
            sound: decision.sound.into(),
            target: target.name,
            video: decision.video.into(),
            reasons: decision.reasons.iter().map(|it| finding((it.code(), it.to_string()))).collect(),
            warnings: decision.warnings.iter().map(|it| finding((it.code(), it.to_string()))).collect(),
        }
    }
}

impl From<Treatment> for TreatmentName {
    fn from(treatment: Treatment) -> Self {
        match treatment {
            Treatment::Copy => Self::Copy,
            Treatment::Encode => Self::Encode,
            Treatment::Absent => Self::Absent,
        }
    }
}
