//! The pages for people.

use super::NO_DATABASE;
use super::operation::Operation;
use super::route::{Access, Route};
use crate::http::pages;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/", Access::Public)
            .get(pages::home, || Operation::new("getHome", "The first page").leads(307, "To `watch/`")),
        Route::new("/watch", Access::Public)
            .get(pages::to_list, || Operation::new("getWatch", "The list").leads(308, "To `watch/`")),
        Route::new("/watch/", Access::Public)
            .get(pages::list, || page("getListPage", "The list of channels")),
        Route::new("/watch/{id}", Access::Public).get(pages::page, || {
            page("getPlayerPage", "Plays a channel or a film")
                .sends(404, "text/html", "There is no such channel or film")
                .fails(503, NO_DATABASE)
        }),
        Route::new("/watch/assets/{file}", Access::Public).get(pages::asset, || asset("getAsset")),
        Route::new("/admin", Access::Public)
            .get(pages::to_admin, || Operation::new("getAdmin", "The interface").leads(308, "To `admin/`")),
        Route::new("/setup", Access::Public).get(pages::to_setup, || {
            Operation::new("getSetup", "The page that sets up").leads(307, "To `admin/setup`")
        }),
        Route::new("/signin", Access::Public).get(pages::to_sign_in, || {
            Operation::new("getSignIn", "The page that signs in").leads(307, "To `admin/signin`")
        }),
        Route::new("/admin/", Access::Public).get(pages::admin, || page("getNowPage", "What is on now")),
        Route::new("/admin/{page}", Access::Public)
            .get(pages::admin, || page("getAdminPage", "Another page of the interface")),
        Route::new("/admin/assets/{file}", Access::Public).get(pages::asset, || asset("getAdminAsset")),
    ]
}

fn asset(id: &str) -> Operation {
    Operation::new(id, "What the pages consist of").sends(200, "*/*", "The file").fails(404, &["not_found"])
}

fn page(id: &str, summary: &str) -> Operation {
    Operation::new(id, summary).sends(200, "text/html", "The page")
}
