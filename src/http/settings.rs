//! `/api/settings`: the configuration in force, key by key.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use crate::config::{Manual, SetBy, Setting, settings};

/// The settings.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SettingList {
    /// The path of the configuration file, as it was named at the start.
    file: String,
    /// In the order of the documentation.
    settings: Vec<SettingDocument>,
    /// What is allowed in the configuration but hardly meant.
    warnings: Vec<String>,
}

/// A key of the configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SettingDocument {
    /// The value of who sets none, as it is typed.
    default: String,
    /// With its section.
    key: String,
    /// By what it is set; null where the default holds.
    #[schema(required)]
    origin: Option<OriginDocument>,
    /// What is allowed; empty where `type` says it.
    range: String,
    /// What it is for.
    text: String,
    /// Of which kind the value is.
    r#type: String,
    /// As it was typed; null where the default holds.
    #[schema(required)]
    value: Option<String>,
}

/// By what a key is set.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OriginDocument {
    /// The line of the file, from 1.
    Line(usize),
    /// The name of a variable of the environment.
    Variable(String),
}

impl From<Setting> for SettingDocument {
    fn from(Setting { key, manual: Manual { kind, default, range, text }, set }: Setting) -> Self {
        let (value, by) = set.unzip();
        let origin = by.map(|by| match by {
            SetBy::File(place) => OriginDocument::Line(place.line),
            SetBy::Variable(name) => OriginDocument::Variable(name),
        });
        Self { default, key, origin, range, text, r#type: kind, value }
    }
}

/// `GET /api/settings`
pub(super) async fn list(state: State) -> Json<SettingList> {
    let config = state.config();
    let (file, warnings) = (config.path.display().to_string(), config.warnings());
    let read = tokio::task::spawn_blocking(move || settings(&config));
    let settings = match read.await {
        Ok(settings) => settings.into_iter().map(SettingDocument::from).collect(),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    Json(SettingList { file, settings, warnings })
}
