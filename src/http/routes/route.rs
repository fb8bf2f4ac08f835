//! What a row of a table of routes says, and how it becomes a part of the router.

use axum::Extension;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use super::operation::Operation;
pub(super) use crate::http::auth::Access;
use crate::http::auth::Rate;
use crate::http::error::ApiError;
use crate::http::extract::BodyLimits;
use crate::http::head::names_host;
use crate::http::nosniff::set_nosniff;
use crate::http::tally::{Count, Tally};
use crate::http::{Peer, State, auth, streaming};

/// What pages of other origins may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cors {
    /// Nothing, errors included.
    Nothing,
    /// Why a request was refused, and nothing else.
    Errors,
    /// Every answer.
    Answers,
    /// Every answer with the fields that tell how a transfer went. A page may ask (OPTIONS) before
    /// it sends the header fields of a player.
    Transfers,
}

/// The fields of an answer that tell how a transfer went.
const TRANSFER_FIELDS: HeaderValue = HeaderValue::from_static("Date, Age, Content-Length, Content-Range");

/// The fields of a player's request that make a browser ask first.
const PLAYER_FIELDS: HeaderValue =
    HeaderValue::from_static("Range, If-None-Match, Cache-Control, Authorization");

/// How long a browser need not ask again, in seconds: a day.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("86400");

/// Makes the description of an operation. It takes memory, and only the OpenAPI document needs it.
type Describe = fn() -> Operation;

/// A row of a table of routes.
pub(super) struct Route {
    /// As axum reads it: `{id}` stands for one segment.
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) cors: Cors,
    /// Of the body, where it takes one.
    pub(super) limits: Option<BodyLimits>,
    /// Its POST takes no body, or its PUT one that the handler reads as it comes, within limits of
    /// its own.
    pub(super) has_own_body: bool,
    /// The methods that have a handler.
    methods: Vec<Method>,
    /// Whether requests of a user or a program are counted, wherever they come from.
    counts_owners: bool,
    /// What each method does: one for each but HEAD.
    pub(super) operations: Vec<(Method, Describe)>,
    handlers: MethodRouter<State>,
}

impl Route {
    /// A row without any method yet. Pages may read its errors, unless it is for operators.
    pub(super) fn new(path: &'static str, access: Access) -> Self {
        let cors = if access.is_staff() { Cors::Nothing } else { Cors::Errors };
        let handlers = MethodRouter::new();
        Self {
            path,
            access,
            cors,
            limits: None,
            has_own_body: false,
            counts_owners: false,
            methods: Vec::new(),
            operations: Vec::new(),
            handlers,
        }
    }

    /// Sets what pages of other origins may read. What operators do, they may never.
    pub(super) fn cors(self, cors: Cors) -> Self {
        assert!(!self.access.is_staff(), "{} is for operators", self.path);
        Self { cors, ..self }
    }

    /// Counts the requests of each user and each program besides, of which it may make so many in a
    /// minute from wherever it is.
    pub(super) fn counted_by_owner(self) -> Self {
        assert_eq!(self.access, Access::Viewer, "{}: who asks is to be known", self.path);
        Self { counts_owners: true, ..self }
    }

    /// GET, and HEAD by the same handler: its body is left out. A handler that opens a channel or
    /// waits for one belongs into [`Self::stream`].
    pub(super) fn get<H, T>(mut self, handler: H, operation: Describe) -> Self
    where
        H: Handler<T, State>,
        T: 'static,
    {
        self.methods.extend([Method::GET, Method::HEAD]);
        self.operations.push((Method::GET, operation));
        self.handlers = self.handlers.on(MethodFilter::GET, handler);
        self
    }

    /// GET that opens a channel, and HEAD that opens nothing: a GET's answer without its body would
    /// cost a connection to a source.
    pub(super) fn stream<G, TG, H, TH>(mut self, get: G, head: H, operation: Describe) -> Self
    where
        G: Handler<TG, State>,
        H: Handler<TH, State>,
        TG: 'static,
        TH: 'static,
    {
        self.methods.extend([Method::GET, Method::HEAD]);
        self.operations.push((Method::GET, operation));
        self.handlers = self.handlers.on(MethodFilter::GET, get).on(MethodFilter::HEAD, head);
        self
    }

    /// POST with a body as JSON.
    pub(super) fn post<H, T>(self, handler: H, limits: BodyLimits, operation: Describe) -> Self
    where
        H: Handler<T, State>,
        T: 'static,
    {
        self.with_body(Method::POST, MethodFilter::POST, handler, limits, operation)
    }

    /// PUT with a body as JSON.
    pub(super) fn put<H, T>(self, handler: H, limits: BodyLimits, operation: Describe) -> Self
    where
        H: Handler<T, State>,
        T: 'static,
    {
        self.with_body(Method::PUT, MethodFilter::PUT, handler, limits, operation)
    }

    /// PATCH with a body as JSON.
    pub(super) fn patch<H, T>(self, handler: H, limits: BodyLimits, operation: Describe) -> Self
    where
        H: Handler<T, State>,
        T: 'static,
    {
        self.with_body(Method::PATCH, MethodFilter::PATCH, handler, limits, operation)
    }

    /// POST without a body.
    pub(super) fn act<H, T>(self, handler: H, operation: Describe) -> Self
    where
        H: Handler<T, State>,
        T: 'static,
    {
        self.with_own_body(Method::POST, MethodFilter::POST, handler, operation)
    }

    /// PUT with a body that the handler reads as it comes.
    pub(super) fn receive<H, T>(self, handler: H, operation: Describe) -> Self
    where
        H: Handler<T, State>,
        T: 'static,
    {
        self.with_own_body(Method::PUT, MethodFilter::PUT, handler, operation)
    }

    fn with_own_body<H, T>(
        mut self,
        method: Method,
        filter: MethodFilter,
        handler: H,
        operation: Describe,
    ) -> Self
    where
        H: Handler<T, State>,
        T: 'static,
    {
        self.methods.push(method.clone());
        self.operations.push((method, operation));
        self.has_own_body = true;
        self.handlers = self.handlers.on(filter, handler);
        self
    }

    /// DELETE.
    pub(super) fn delete<H, T>(mut self, handler: H, operation: Describe) -> Self
    where
        H: Handler<T, State>,
        T: 'static,
    {
        self.methods.push(Method::DELETE);
        self.operations.push((Method::DELETE, operation));
        self.handlers = self.handlers.on(MethodFilter::DELETE, handler);
        self
    }

    fn with_body<H, T>(
        mut self,
        method: Method,
        filter: MethodFilter,
        handler: H,
        limits: BodyLimits,
        operation: Describe,
    ) -> Self
    where
        H: Handler<T, State>,
        T: 'static,
    {
        self.methods.push(method.clone());
        self.operations.push((method, operation));
        self.limits = Some(limits);
        self.handlers = self.handlers.on(filter, handler);
        self
    }

    /// The methods that it answers; any other is 405.
    pub(super) fn methods(&self) -> Vec<Method> {
        let preflight = (self.cors == Cors::Transfers).then_some(Method::OPTIONS);
        self.methods.iter().cloned().chain(preflight).collect()
    }

    /// What the router has at this path.
    pub(super) fn into_handlers(self, state: &State) -> MethodRouter<State> {
        let allowed = join(&self.methods());
        let (cors, is_counted, mut handlers) = (self.cors, self.is_counted(), self.handlers);
        if cors == Cors::Transfers {
            let preflight = move || std::future::ready(preflight(allowed.clone()));
            handlers = handlers.on(MethodFilter::OPTIONS, preflight);
        }
        if let Some(limits) = self.limits {
            handlers = handlers.route_layer(Extension(limits));
        }
        if self.counts_owners {
            // Inside of what finds out who it is.
            handlers = handlers.route_layer(from_fn_with_state(state.clone(), streaming::count_owner));
        }
        if self.access == Access::Viewer {
            handlers = handlers.route_layer(from_fn_with_state(state.clone(), auth::require_viewer));
        }
        if self.access.is_staff() {
            // Before each handler, but not before a 405, which tells nobody anything.
            let needed = (state.clone(), self.access);
            handlers = handlers.route_layer(from_fn_with_state(needed, auth::require));
        }
        // The layer is around what is here before it: the answer to other methods, too.
        let carried =
            Carried { cors, tally: state.tally.clone(), counted_by: is_counted.then(|| state.clone()) };
        handlers.fallback(method_not_allowed).layer(from_fn_with_state(carried, carry))
    }

    /// Whether its requests are counted, of which an address may make so many in a minute: what is
    /// asked now and then, and no stream.
    fn is_counted(&self) -> bool {
        let is_stream =
            self.path.starts_with("/api/proxy/") || self.path.starts_with("/api/streaming/stream/");
        self.path.starts_with("/api/") && !is_stream || self.path.strip_suffix(".m3u").is_some()
    }
}

async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::method_not_allowed(&method, &uri)
}

/// What the layer around a row knows of it.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    pub(super) cors: Cors,
    pub(super) tally: Tally,
    /// Where requests are counted.
    pub(super) counted_by: Option<State>,
}

fn count(state: &State, request: &Request) -> Option<Rate> {
    let peer = request.extensions().get::<Peer>().copied()?;
    let rate = state.guards.rates.count(&state.config().server, peer, request.headers())?;
    if rate.refusal().is_some() {
        state.tally.note(Count::RequestsRefused);
    }
    Some(rate)
}

/// What holds for every request, and for every answer. It leaves the answer's extensions alone: a
/// live stream is in them. One layer, since each costs every request two allocations.
pub(super) async fn carry(
    axum::extract::State(Carried { cors, tally, counted_by }): axum::extract::State<Carried>,
    request: Request,
    next: Next,
) -> Response {
    let rate = counted_by.and_then(|state| count(&state, &request));
    let mut response = if let Some(refusal) = rate.as_ref().and_then(Rate::refusal) {
        refusal.into_response()
    } else if names_host(&request) {
        next.run(request).await
    } else {
        ApiError::bad_host().into_response()
    };
    tally.note(Count::Answers);
    if response.status().is_server_error() {
        tally.note(Count::Errors);
    }
    let fields = response.headers_mut();
    if let Some(rate) = rate {
        rate.tell(fields);
    }
    cors.set(fields);
    set_nosniff(fields);
    response
}

fn join(methods: &[Method]) -> HeaderValue {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    HeaderValue::try_from(names.join(", ")).expect("names of methods are plain ASCII")
}

/// What a page of another origin may send.
fn preflight(methods: HeaderValue) -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, PLAYER_FIELDS),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE),
    ];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

impl Cors {
    /// Sets the fields of an answer. An error says already that pages may read it, and why.
    fn set(self, fields: &mut HeaderMap) {
        let exposed = match self {
            Self::Nothing => {
                fields.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
                fields.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
                return;
            }
            Self::Errors => return,
            Self::Answers => None,
            Self::Transfers => Some(TRANSFER_FIELDS),
        };
        if fields.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        fields.extend(exposed.map(|exposed| (header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed)));
    }
}
