//! Whose analyses and downloads they are.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::request::Parts;

use super::StreamingError;
use crate::accounts::{Actor, Proof, Watcher};
use crate::db::users::Role;
use crate::http::State;
use crate::http::admission::household;
use crate::http::extract::Client;

/// Whoever asks, as an owner of analyses and downloads.
#[derive(Debug)]
pub(in crate::http) struct Owner {
    /// As the owners of tokens are named: `user:7`, `key:3`, `address:192.168.0.9`.
    pub(super) name: String,
    /// As the audit log names it.
    pub(super) actor: String,
    /// Whether it looks after the server.
    pub(super) is_staff: bool,
    pub(super) client: Client,
}

impl FromRequestParts<State> for Owner {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let client = Client::from_request_parts(parts, state).await?;
        let watcher = &client.watching.watcher;
        let maker = watcher.maker(household(client.address)).map(|(maker, _)| maker.to_string());
        let forbidden = || {
            StreamingError::new(StatusCode::FORBIDDEN, "FORBIDDEN", "a token is good for a stream only")
                .into_response()
        };
        let name = maker.ok_or_else(forbidden)?;
        let (actor, is_staff) = (actor(&client).to_string(), is_admin(watcher));
        Ok(Self { name, actor, is_staff, client })
    }
}

/// Whether it is an admin who is signed in. A stream key, which stands in addresses, is not enough.
pub(super) fn is_admin(watcher: &Watcher) -> bool {
    matches!(watcher, Watcher::User(user, Proof::Account) if user.spec.role == Role::Admin)
}

/// Whoever asks, as the audit log names it.
pub(super) fn actor(client: &Client) -> Actor {
    match &client.watching.watcher {
        Watcher::User(user, _) => Actor::User(Arc::clone(user)),
        Watcher::Key(key) => Actor::Key(Arc::clone(key)),
        Watcher::Anybody | Watcher::Token(_) | Watcher::Link(_) => Actor::Address(client.address),
    }
}
