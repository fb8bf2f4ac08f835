//! The pages for people.

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
            page("getPlayerPage", "Plays a channel").sends(404, "text/html", "There is no such channel")
        }),
        Route::new("/watch/assets/{file}", Access::Public).get(pages::asset, || {
            Operation::new("getAsset", "What the pages consist of")
                .sends(200, "*/*", "The file")
                .fails(404, &["not_found"])
        }),
    ]
}

fn page(id: &str, summary: &str) -> Operation {
    Operation::new(id, summary).sends(200, "text/html", "The page")
}
