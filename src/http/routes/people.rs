//! People: who is signed in, users, keys, and the audit log.

use std::time::Duration;

use super::NO_DATABASE;
use super::operation::Operation;
use super::route::{Access, Route};
use crate::http::accounts::{
    self, AuditList, Credentials, KeyFields, KeyList, MadeKey, SessionDocument, Setup, UserDocument,
    UserFields, UserList,
};
use crate::http::extract::BodyLimits;

/// Names and passwords of some hundred bytes each; users with long lists of what they may watch.
const BODY: BodyLimits = BodyLimits { bytes: 64 << 10, time: Duration::from_secs(30) };

/// The refusals of what takes a body.
fn takes_body(operation: Operation) -> Operation {
    operation
        .fails(400, &["bad_request"])
        .fails(408, &["body_timeout"])
        .fails(413, &["body_too_large"])
        .fails(415, &["unsupported_media_type"])
        .fails(422, &["invalid"])
        .fails(503, NO_DATABASE)
        .fails(507, &["disk_full"])
}

/// Signing in and setting up.
fn signs_in(operation: Operation) -> Operation {
    takes_body(operation).fails(403, &["forbidden"]).fails(429, &["too_many_tries"])
}

/// What changes something of what is there, without a body.
fn removes(operation: Operation, unknown: &str) -> Operation {
    operation
        .leads(204, "It is done")
        .fails(403, &["forbidden"])
        .fails(404, &[unknown])
        .fails(503, NO_DATABASE)
        .fails(507, &["disk_full"])
}

pub(super) fn routes() -> Vec<Route> {
    let mut routes = public();
    routes.extend(oidc());
    routes.extend(users());
    routes.extend(keys_and_audit());
    routes
}

fn public() -> Vec<Route> {
    vec![
        Route::new("/api/setup", Access::Public).post(accounts::set_up, BODY, || {
            signs_in(Operation::new("setUp", "Makes the first admin, who is signed in"))
                .takes::<Setup>()
                .json::<SessionDocument>(201, "Who is signed in")
                .fails(409, &["set_up"])
        }),
        Route::new("/api/session", Access::Public)
            .get(accounts::who, || {
                Operation::new("getSession", "Who is signed in")
                    .json::<SessionDocument>(200, "Somebody, or nobody")
            })
            .post(accounts::sign_in, BODY, || {
                signs_in(Operation::new("signIn", "Signs a browser in"))
                    .takes::<Credentials>()
                    .json::<SessionDocument>(200, "Who is signed in")
                    .fails(401, &["wrong_password"])
            })
            .delete(accounts::sign_out, || {
                Operation::new("signOut", "Signs a browser out")
                    .leads(204, "Nobody is signed in")
                    .fails(503, NO_DATABASE)
            }),
    ]
}

/// Signing in by a provider of identities.
fn oidc() -> Vec<Route> {
    vec![
        Route::new("/api/oidc/start", Access::Public).get(accounts::start_oidc, || {
            Operation::new("startOidc", "Begins to sign in by the provider of identities")
                .query("to", "The page of the interface that is to be seen then.")
                .leads(
                    303,
                    "To the provider; or back to the page that signs in, with the reason in `refused`",
                )
                .fails(403, &["forbidden"])
                .fails(404, &["not_found"])
                .fails(429, &["too_many_tries"])
        }),
        Route::new("/api/oidc/callback", Access::Public).get(accounts::finish_oidc, || {
            Operation::new("finishOidc", "Takes what a browser brings back from the provider")
                .query("state", "Which beginning it belongs to.")
                .query("code", "What the provider gives for whoever has signed in there.")
                .query("iss", "The provider.")
                .query("error", "Why there is no code.")
                .leads(
                    303,
                    "To the interface; or back to the page that signs in, with the reason in `refused`",
                )
                .fails(403, &["forbidden"])
                .fails(404, &["not_found"])
        }),
    ]
}

fn users() -> Vec<Route> {
    vec![
        Route::new("/api/users", Access::Admin)
            .get(accounts::list, || {
                Operation::new("listUsers", "The users")
                    .json::<UserList>(200, "All of them")
                    .fails(403, &["forbidden"])
            })
            .post(accounts::create, BODY, || {
                takes_body(Operation::new("createUser", "Creates a user"))
                    .takes::<UserFields>()
                    .json::<UserDocument>(201, "The user")
                    .fails(403, &["forbidden"])
                    .fails(409, &["taken"])
            }),
        Route::new("/api/users/{id}", Access::Admin)
            .get(accounts::one, || {
                Operation::new("getUser", "One user")
                    .json::<UserDocument>(200, "The user")
                    .fails(403, &["forbidden"])
                    .fails(404, &["unknown_user"])
            })
            .patch(accounts::change, BODY, || {
                takes_body(Operation::new("changeUser", "Changes what is named; null takes away (RFC 7396)"))
                    .takes::<UserFields>()
                    .json::<UserDocument>(200, "The user")
                    .fails(403, &["forbidden"])
                    .fails(404, &["unknown_user"])
                    .fails(409, &["taken"])
            })
            .delete(accounts::remove, || {
                removes(Operation::new("deleteUser", "Removes a user, who is signed out"), "unknown_user")
            }),
        Route::new("/api/users/{id}/stream-key", Access::Admin).delete(accounts::renew_stream_key, || {
            let summary = "Ends the user's addresses of streams, and gives others";
            removes(Operation::new("renewStreamKey", summary), "unknown_user")
        }),
    ]
}

fn keys_and_audit() -> Vec<Route> {
    vec![
        Route::new("/api/keys", Access::Admin)
            .get(accounts::list_keys, || {
                Operation::new("listKeys", "The keys of programs")
                    .json::<KeyList>(200, "All of them, without themselves")
                    .fails(403, &["forbidden"])
            })
            .post(accounts::create_key, BODY, || {
                takes_body(Operation::new("createKey", "Makes a key, which is shown now and never again"))
                    .takes::<KeyFields>()
                    .json::<MadeKey>(201, "The key")
                    .fails(403, &["forbidden"])
                    .fails(409, &["taken"])
            }),
        Route::new("/api/keys/{id}", Access::Admin).delete(accounts::remove_key, || {
            removes(Operation::new("deleteKey", "Takes a key away"), "unknown_key")
        }),
        Route::new("/api/audit", Access::Admin).get(accounts::audit, || {
            Operation::new("listAudit", "What was changed by whom, the newest first")
                .query("before", "The `id` before which the part begins: the newest one unless given.")
                .query("limit", "How many to list: 1 to 500, 100 unless given.")
                .json::<AuditList>(200, "A part of the log")
                .fails(403, &["forbidden"])
                .fails(503, NO_DATABASE)
        }),
    ]
}
