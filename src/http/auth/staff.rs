//! Operators and admins: by a key, by a session, or by the address.

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};

use super::Access;
use super::credentials::{bearer, is_of_own_page, session};
use crate::accounts::Actor;
use crate::accounts::keys::PREFIX;
use crate::db::api_keys::Scope;
use crate::db::users::Role;
use crate::http::error::ApiError;
use crate::http::forwarded::base_url;
use crate::http::{Peer, State, admin};

/// What is asked of whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Needed {
    role: Role,
    /// Whether nothing is changed.
    is_reading: bool,
}

impl Needed {
    fn of(access: Access, method: &Method) -> Self {
        let role = if access == Access::Admin { Role::Admin } else { Role::Operator };
        Self { role, is_reading: method.is_safe() }
    }

    fn is_met_by(self, scopes: &[Scope]) -> bool {
        scopes.iter().any(|scope| match scope {
            Scope::Admin => true,
            Scope::Operate => self.role <= Role::Operator,
            // By the method: a route that changes something takes no `GET`.
            Scope::Read => self.role <= Role::Operator && self.is_reading,
            Scope::Watch => false,
        })
    }
}

/// Lets only operators, or only admins, through to a handler, which then knows who it is.
pub(in crate::http) async fn require(
    axum::extract::State((state, access)): axum::extract::State<(State, Access)>,
    peer: axum::Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let needed = Needed::of(access, request.method());
    match check(&state, needed, *peer, request.uri(), request.headers()).await {
        Ok(actor) => {
            request.extensions_mut().insert(By(actor));
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// Whether it is an operator or an admin who reads.
pub(in crate::http) async fn is_operator(state: &State, peer: Peer, parts: &Parts) -> bool {
    let needed = Needed { role: Role::Operator, is_reading: true };
    check(state, needed, peer, &parts.uri, &parts.headers).await.is_ok()
}

async fn check(
    state: &State,
    needed: Needed,
    peer: Peer,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Actor, ApiError> {
    // Whoever shows a key wants to be known by it, and by nothing else.
    if let Some(text) = bearer(headers).filter(|text| text.starts_with(PREFIX)) {
        let key =
            state.accounts.use_key(text).ok_or_else(|| forbidden("there is no such key, or it is over"))?;
        return if needed.is_met_by(&key.scopes) {
            Ok(Actor::Key(key))
        } else {
            Err(forbidden("the key has no scope for this"))
        };
    }
    if let Some(user) = session(state, peer, uri, headers) {
        let base = base_url(&state.config().server, peer, uri, headers);
        // The cookie is strict already; this holds for old
        // browsers, and for pages at other ports of this host.
        if !needed.is_reading && !is_of_own_page(&base, uri, headers) {
            return Err(forbidden("this browser is signed in, and it was no page of this server that asked"));
        }
        return if user.spec.role >= needed.role {
            Ok(Actor::User(user))
        } else {
            Err(forbidden("whoever is signed in here may not do this"))
        };
    }
    match admin::check(state, peer, uri, headers).await {
        Ok(admin) if admin.is_command => Ok(Actor::Command),
        Ok(admin) => Ok(Actor::Address(admin.address)),
        Err(why) => Err(why.into()),
    }
}

fn forbidden(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}

/// Who asks, on routes for operators and admins: a handler that takes one on any other route
/// refuses everybody.
#[derive(Debug, Clone)]
pub(in crate::http) struct By(pub(in crate::http) Actor);

impl FromRequestParts<State> for By {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &State) -> Result<Self, ApiError> {
        let actor = parts.extensions.get::<Self>().cloned();
        debug_assert!(actor.is_some(), "the route is for everybody, and its handler wants to know who it is");
        actor.ok_or_else(|| forbidden("this is for operators and admins"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_good_for_what_it_says() {
        let table = [
            (Scope::Read, [true, false, false, false]),
            (Scope::Operate, [true, true, false, false]),
            (Scope::Admin, [true, true, true, true]),
            (Scope::Watch, [false, false, false, false]),
        ];
        for (scope, met) in table {
            let cases = [
                (Access::Operator, Method::GET),
                (Access::Operator, Method::DELETE),
                (Access::Admin, Method::GET),
                (Access::Admin, Method::POST),
            ];
            let found = cases.map(|(access, method)| Needed::of(access, &method).is_met_by(&[scope]));
            assert_eq!(found, met, "{scope:?}");
        }
        assert!(Needed::of(Access::Operator, &Method::PUT).is_met_by(&[Scope::Watch, Scope::Operate]));
    }
}
