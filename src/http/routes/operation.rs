//! What one method of a route does, in the words of OpenAPI 3.1.

use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema};

use crate::http::error::ErrorDocument;
use crate::http::extract::JsonRequest;

/// What one method of a route does.
pub(super) struct Operation {
    pub(super) builder: OperationBuilder,
    /// The schemas that it speaks of, by their names.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Operation {
    /// `id` names it in generated programs; `summary` is a line for people.
    pub(super) fn new(id: &str, summary: &str) -> Self {
        let builder = OperationBuilder::new().operation_id(Some(id)).summary(Some(summary));
        Self { builder, schemas: Vec::new() }
    }

    /// A parameter of the query that may be left out.
    pub(super) fn query(mut self, name: &str, about: &str) -> Self {
        let parameter = parameter(name, about).parameter_in(ParameterIn::Query).required(Required::False);
        self.builder = self.builder.parameter(parameter);
        self
    }

    /// The body of the request.
    pub(super) fn takes<T: JsonRequest>(self) -> Self {
        self.with_body::<T>(Required::True)
    }

    /// The body of the request, which may be left out.
    pub(super) fn may_take<T: JsonRequest>(self) -> Self {
        self.with_body::<T>(Required::False)
    }

    fn with_body<T: JsonRequest>(mut self, required: Required) -> Self {
        let example = serde_json::from_str(T::EXAMPLE).expect("an example is JSON");
        let content = ContentBuilder::new().schema(Some(self.refer::<T>())).example(Some(example));
        let body =
            RequestBodyBuilder::new().content("application/json", content.build()).required(Some(required));
        self.builder = self.builder.request_body(Some(body.build()));
        self
    }

    /// An answer as JSON.
    pub(super) fn json<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(self.refer::<T>()));
        let response = ResponseBuilder::new().description(about).content("application/json", content.build());
        self.builder = self.builder.response(status.to_string(), response);
        self
    }

    /// Messages for as long as they are read (Server-Sent Events), each with one document.
    pub(super) fn messages<T: ToSchema>(mut self, about: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(self.refer::<T>()));
        self.says(
            200,
            ResponseBuilder::new().description(about).content("text/event-stream", content.build()),
        )
    }

    /// An answer of another kind.
    pub(super) fn sends(self, status: u16, media_type: &str, about: &str) -> Self {
        let schema = if media_type == "application/json" { ObjectBuilder::new() } else { text() };
        let content = ContentBuilder::new().schema(Some(schema));
        self.says(status, ResponseBuilder::new().description(about).content(media_type, content.build()))
    }

    /// An answer without a body.
    pub(super) fn leads(self, status: u16, about: &str) -> Self {
        self.says(status, ResponseBuilder::new().description(about))
    }

    /// A refusal, with the codes that it may have.
    pub(super) fn fails(mut self, status: u16, codes: &[&str]) -> Self {
        let codes = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
        let content = ContentBuilder::new().schema(Some(self.refer::<ErrorDocument>()));
        self.says(
            status,
            ResponseBuilder::new().description(codes).content("application/json", content.build()),
        )
    }

    fn says(mut self, status: u16, response: impl Into<RefOr<Response>>) -> Self {
        self.builder = self.builder.response(status.to_string(), response);
        self
    }

    /// Collects the schema of a type and of all that are part of it.
    fn refer<T: ToSchema>(&mut self) -> Ref {
        self.schemas.push((T::name().into(), T::schema()));
        T::schemas(&mut self.schemas);
        Ref::from_schema_name(T::name())
    }
}

/// A parameter that is a text.
pub(super) fn parameter(name: &str, about: &str) -> ParameterBuilder {
    ParameterBuilder::new().name(name).description(Some(about)).schema(Some(text()))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}
