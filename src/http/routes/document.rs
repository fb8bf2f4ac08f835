//! The OpenAPI document that all routes make.

use std::collections::BTreeMap;

use http::Method;
use utoipa::openapi::path::{Parameter, ParameterIn, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathsBuilder, RefOr,
    Required, Schema,
};

use super::operation::{Operation, parameter};
use super::route::{Access, Route};

/// The scheme by which a program shows a key, or the token of admins.
const TOKEN: &str = "keyOrToken";

/// What stands above the routes.
const ABOUT: &str = "GET is answered where HEAD is: by the same head without the body. Every route \
    answers 400 (`bad_host`) to a request that does not name its host, and 405 (`method_not_allowed`) \
    with `Allow` to a method that it does not take.";

/// The document of all routes, by the names of their surfaces.
pub(super) fn document<'a>(surfaces: impl IntoIterator<Item = (&'a str, Vec<Route>)>) -> OpenApi {
    let (mut paths, mut schemas) = (PathsBuilder::new(), BTreeMap::new());
    for (surface, routes) in surfaces {
        for route in routes {
            let (path, access) = (route.path, route.access);
            let item = route.operations.into_iter().map(|(method, describe_operation)| {
                let operation = describe_operation();
                collect(&mut schemas, &operation);
                describe(surface, path, access, &method, operation)
            });
            let item = item.reduce(|mut all, one| {
                all.merge_operations(one);
                all
            });
            paths = paths.path(path, item.expect("a route has a method"));
        }
    }
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = ComponentsBuilder::new().schemas_from_iter(schemas).security_scheme(TOKEN, token);
    let licence = LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).build();
    let info = InfoBuilder::new()
        .title("Forebay")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(licence));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}

/// Takes the schemas that an operation speaks of.
fn collect(schemas: &mut BTreeMap<String, RefOr<Schema>>, operation: &Operation) {
    for (name, schema) in &operation.schemas {
        let known = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
        assert!(known == schema, "two types are called {name}");
    }
}

/// One method of a path, with what the row says besides.
fn describe(surface: &str, path: &str, access: Access, method: &Method, operation: Operation) -> PathItem {
    let mut builder = operation.builder.tag(surface);
    for name in parameters(path) {
        builder = builder.parameter(path_parameter(name));
    }
    if access.is_staff() {
        // By the address or the cookie of a session, or by a key or the token.
        let token = SecurityRequirement::new(TOKEN, [""; 0]);
        builder = builder.securities(Some([SecurityRequirement::default(), token]));
    }
    PathItem::new(method_of(method), builder)
}

fn method_of(method: &Method) -> HttpMethod {
    match *method {
        Method::GET => HttpMethod::Get,
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => unreachable!("no route has an operation for {method}"),
    }
}

/// The names in braces.
fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Parameter {
    let about = match name {
        "id" => "The channel's id; where the route says so, its number.",
        "user" => "The user's name.",
        "password" => "The user's password, or stream key.",
        "segment" => "As the playlist names it: `segment_{number}.ts`, of a film `{number}.m4s`.",
        "video" => "A film's id, which is a UUID.",
        "rendition" => {
            "As the playlist of a film names it: `main`, `keys`, or `t` and the number of a track."
        }
        "file" => "As a page or a playlist names it.",
        "token" => "The token itself, or where a route says so its number.",
        "viewer" => "The viewer's number.",
        "video_id" => "The id of a page at its platform.",
        "platform" => "`youtube`, `bilibili`, `twitter`, `x`, `instagram`, `twitch`, or `auto`.",
        "page" => "Which page.",
        "kind" => "What kind of job, such as `ladder`.",
        "device" => "Which of several devices, from 1.",
        "minutes" => "How many minutes.",
        "start" => "When it begins, in UTC: `2026-01-31:18-30`, or seconds since 1970.",
        "mark" => "What tells the logo from others.",
        "name" => "The name of a backup, as the list says it.",
        "tune" => "`v` and the number of the channel: `v5`, `v5.1`.",
        _ => unreachable!("nobody has said what {{{name}}} in a path is"),
    };
    parameter(name, about).parameter_in(ParameterIn::Path).required(Required::True).build()
}
