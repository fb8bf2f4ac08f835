//! The channels as HDHomeRun devices, for Plex, Jellyfin, Emby and Channels.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::{IntoResponse as _, Response};
use forebay_core::tuners::{DeviceId, Listed, MAX_CHANNELS, MAX_DEVICES, Tuned, settle};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::auth::Watching;
use super::error::ApiError;
use super::extract::{Client, no_channel};
use super::query::Query;
use super::{Peer, State, lineup, live};
use crate::accounts::Watcher;
use crate::catalogue::BEGINNING;
use crate::config::Hdhomerun;
use crate::db::{Error, tuners};
use crate::tuners::{count, device_id};

/// As many as the vendor's protocol can name.
const MAX_TUNERS: u32 = 255;

/// A model that has tuners only: of one that can transcode, players ask for that.
const MODEL: &str = "HDHR4-2US";

/// The vendor's words for what is wrong.
const VENDOR_ERROR: HeaderName = HeaderName::from_static("x-hdhomerun-error");

/// The answer to `GET /discover.json`.
// The vendor's names.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Discovery {
    #[serde(rename = "BaseURL")]
    base_url: String,
    /// Programs want one, and nobody checks it.
    device_auth: &'static str,
    /// Eight hexadecimal digits, the same for ever.
    #[serde(rename = "DeviceID")]
    device_id: String,
    firmware_name: &'static str,
    firmware_version: &'static str,
    friendly_name: String,
    #[serde(rename = "LineupURL")]
    lineup_url: String,
    manufacturer: &'static str,
    model_number: &'static str,
    /// Channels that it plays at once.
    tuner_count: u32,
}

/// A channel of `GET /lineup.json`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LineupChannel {
    guide_name: String,
    /// Unique, and the same for as long as nobody gives the channel another one.
    guide_number: String,
    #[serde(rename = "URL")]
    url: String,
}

/// The answer to `GET /lineup_status.json`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LineupStatus {
    scan_in_progress: u8,
    scan_possible: u8,
    source: &'static str,
    source_list: [&'static str; 1],
}

/// The device that a path names; the first one where it names none.
#[derive(Debug)]
pub(super) struct Tuner {
    device: u32,
    /// What addresses of the device begin with.
    base: Url,
    settings: Hdhomerun,
}

impl FromRequestParts<State> for Tuner {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let config = state.config();
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(axum::response::IntoResponse::into_response)?;
        let named = params.iter().find(|(name, _)| *name == "device").map(|(_, device)| device);
        // Programs look for a device at the root first, and many can name no path.
        let device = named.map_or(Some(1), |device| device.parse().ok());
        let device = device.filter(|device| config.hdhomerun.is_on && (1..=MAX_DEVICES).contains(device));
        let device = device.ok_or_else(|| no_tuner().into_response())?;
        let peer = Peer::from_request_parts(parts, state).await?;
        let base = lineup::address(state, &Watching::of(parts), peer, &parts.uri, &parts.headers);
        let below = if named.is_some() { format!("hdhr/{device}/") } else { String::new() };
        let base = base.join(&below).expect("digits are a part of a path");
        Ok(Self { device, base, settings: config.hdhomerun.clone() })
    }
}

fn no_tuner() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "no_tuner",
        "there is no such tuner: [hdhomerun] says which there are",
    )
}

impl Tuner {
    fn name(&self) -> String {
        match self.device {
            1 => self.settings.name.clone(),
            device => format!("{} {device}", self.settings.name),
        }
    }

    /// Its name for ever, which it is given when somebody asks for it first.
    async fn id(&self, state: &State) -> Result<DeviceId, ApiError> {
        device_id(&state.database, self.device).await?.ok_or_else(no_tuner)
    }
}

/// Channels that a device plays at once for this viewer: no more than the providers allow.
fn count_for(state: &State, watching: &Watching) -> u32 {
    let of_user = match &watching.watcher {
        Watcher::User(user, _) => user.spec.max_streams,
        _ => None,
    };
    // At least one: a device without tuners is taken for broken.
    count(&state.config()).min(of_user.unwrap_or(u32::MAX)).clamp(1, MAX_TUNERS)
}

/// `GET /discover.json`
pub(super) async fn discover(
    state: State,
    watching: Watching,
    tuner: Tuner,
) -> Result<Json<Discovery>, ApiError> {
    let base = tuner.base.as_str();
    Ok(Json(Discovery {
        base_url: base.trim_end_matches('/').to_owned(),
        device_auth: "forebay",
        device_id: tuner.id(&state).await?.to_string(),
        firmware_name: "hdhomerun4_atsc",
        firmware_version: "20200101",
        friendly_name: tuner.name(),
        lineup_url: format!("{base}lineup.json"),
        manufacturer: "Silicondust",
        model_number: MODEL,
        tuner_count: count_for(&state, &watching),
    }))
}

/// `GET /lineup.json`
pub(super) async fn lineup(
    state: State,
    watching: Watching,
    tuner: Tuner,
) -> Result<Json<Vec<LineupChannel>>, ApiError> {
    let sight = state.sight(&watching);
    let most = MAX_CHANNELS * MAX_DEVICES as usize;
    let list = state.catalogue.list();
    let read = list.read(move |list, connection| {
        let mut all: Vec<(Listed, String, bool)> = Vec::new();
        list.walk(connection, BEGINNING, |entry| {
            let listed = Listed {
                channel: entry.id.to_owned(),
                group: entry.group.unwrap_or_default().to_owned(),
                number: entry.number.map_or_else(String::new, |number| number.to_string()),
            };
            all.push((listed, entry.name.to_owned(), sight.sees(&entry)));
            all.len() < most
        })?;
        Ok(all)
    });
    let all = read.await?;
    let listed: Arc<[Listed]> = all.iter().map(|(listed, ..)| listed.clone()).collect();
    let numbers = numbers(&state, listed, tuner.device).await?;
    let channels = all.into_iter().filter(|(.., is_seen)| *is_seen).filter_map(|(listed, name, _)| {
        let number = numbers.get(&listed.channel)?;
        let url = format!("{}auto/v{number}", tuner.base);
        Some(LineupChannel { guide_name: name, guide_number: number.clone(), url })
    });
    Ok(Json(channels.collect()))
}

/// The numbers of the channels of a device, once each listed one has its place.
async fn numbers(
    state: &State,
    listed: Arc<[Listed]>,
    device: u32,
) -> Result<HashMap<String, String>, ApiError> {
    let read = {
        let listed = Arc::clone(&listed);
        move |connection: &_| {
            let known = tuners::all(connection)?;
            // Nearly always; then a list costs no write.
            let is_settled = settle(&known, &listed).is_empty();
            Ok::<_, Error>(is_settled.then_some(known))
        }
    };
    let places: Vec<Tuned> = if let Some(known) = state.database.read(read).await? {
        known
    } else {
        let write = move |connection: &_| {
            // Read again within the write: another list may have settled them meanwhile.
            let known = tuners::all(connection)?;
            tuners::put(connection, &settle(&known, &listed))?;
            tuners::all(connection)
        };
        // Once: from then on a list writes nothing.
        state.database.write(write).await?
    };
    let of_device = places.into_iter().filter(|place| place.device == device);
    Ok(of_device.map(|place| (place.channel, place.number)).collect())
}

/// `GET /lineup_status.json`: all channels are known, so that nobody has to look for them.
pub(super) async fn status(_: Tuner) -> Json<LineupStatus> {
    Json(LineupStatus { scan_in_progress: 0, scan_possible: 1, source: "Cable", source_list: ["Cable"] })
}

/// `POST /lineup.post?scan=start`
pub(super) async fn scan(_: Tuner, query: Query) -> Result<StatusCode, ApiError> {
    match query.value("scan").as_deref() {
        Some("start" | "abort") => Ok(StatusCode::OK),
        _ => Err(ApiError::bad_request("scan is to be start or abort")),
    }
}

/// `GET /device.xml`
pub(super) async fn device(state: State, tuner: Tuner) -> Result<Response, ApiError> {
    let id = tuner.id(&state).await?;
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let (base, name) = (escape(tuner.base.as_str().trim_end_matches('/')), escape(&tuner.name()));
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <root xmlns=\"urn:schemas-upnp-org:device-1-0\">\n\
         <specVersion><major>1</major><minor>0</minor></specVersion>\n\
         <URLBase>{base}</URLBase>\n\
         <device>\n\
         <deviceType>urn:schemas-upnp-org:device:MediaServer:1</deviceType>\n\
         <friendlyName>{name}</friendlyName>\n\
         <manufacturer>Silicondust</manufacturer>\n\
         <modelName>{MODEL}</modelName>\n\
         <modelNumber>{MODEL}</modelNumber>\n\
         <serialNumber>{id}</serialNumber>\n\
         <UDN>uuid:{id}</UDN>\n\
         </device>\n\
         </root>\n"
    );
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"))], document)
        .into_response())
}

/// `GET /auto/v5.1`: the channel with this number, on whichever device it is.
pub(super) async fn watch(state: State, _: Tuner, number: TunedTo, query: Query, client: Client) -> Response {
    let watching = async {
        let found = number.find(&state, &client.watching).await?;
        live::watch_channel(state, found, query, client).await
    };
    watching.await.unwrap_or_else(|error: ApiError| {
        // The vendor's players know no other words.
        let told = match error.status {
            StatusCode::NOT_FOUND => "801 Unknown Channel",
            // What the vendor calls tuners are the streams that a user may watch at once.
            StatusCode::TOO_MANY_REQUESTS => "805 All Tuners In Use",
            _ => "806 Tune Failed",
        };
        let mut response = error.into_response();
        response.headers_mut().insert(VENDOR_ERROR, HeaderValue::from_static(told));
        response
    })
}

/// `HEAD`: nothing is opened.
pub(super) async fn head(
    state: State,
    _: Tuner,
    number: TunedTo,
    watching: Watching,
) -> Result<Response, ApiError> {
    number.find(&state, &watching).await?;
    Ok(live::answer_to_head())
}

/// What stands behind `/auto/`.
#[derive(Debug)]
pub(super) struct TunedTo(String);

impl FromRequestParts<State> for TunedTo {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(axum::response::IntoResponse::into_response)?;
        let tune = params.iter().find(|(name, _)| *name == "tune").map_or("", |(_, tune)| tune);
        Ok(Self(tune.to_owned()))
    }
}

impl TunedTo {
    /// The channel with this number, if whoever asks may watch it.
    async fn find(
        &self,
        state: &State,
        watching: &Watching,
    ) -> Result<forebay_relay::channel::ListedChannel, ApiError> {
        let number = self.0.strip_prefix('v').ok_or_else(|| ApiError::unknown_channel(&self.0))?.to_owned();
        let wanted = number.clone();
        let id = state.database.read(move |connection| tuners::channel(connection, &wanted)).await?;
        let found = match &id {
            Some(id) => state.catalogue.find(id).await?,
            // Nobody has listed it yet.
            None => state.catalogue.find_by_id_or_number(&number).await?,
        };
        let Some(found) = found else {
            return Err(no_channel(state, &self.0, id.as_deref().unwrap_or(&number)).await);
        };
        if !watching.watcher.may_watch(&found.channel, &state.accounts.adult_groups()) {
            return Err(ApiError::not_allowed(&self.0));
        }
        Ok(found)
    }
}
