//! Why something was not done.

use forebay_relay::model::{FieldError, FieldPath};

use crate::db;
use crate::db::users::UserError;

/// Why something was not done with accounts. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Fields are wrong.
    #[error("{} fields are wrong", .0.len())]
    Fields(Vec<FieldError>),
    /// Another one has something that there may be once only.
    #[error("{0}")]
    Taken(String),
    /// There is no such thing.
    #[error("there is no {what} {id}")]
    Unknown {
        /// `user`, `key` or `token`.
        what: &'static str,
        /// Its number.
        id: i64,
    },
    /// The name or the password is wrong, or the user may do nothing now: which, nobody is told.
    #[error("the name or the password is wrong")]
    WrongPassword,
    /// Somebody for whom a provider vouches may do nothing now.
    #[error("the user is disabled, or the user's time is over")]
    Inactive,
    /// Too many passwords wait to be looked at.
    #[error("too many sign in at the same time")]
    Busy,
    /// The token of the setup is wrong.
    #[error("the address of the setup is on the console, and new at each start")]
    WrongToken,
    /// There is an admin.
    #[error("this server is set up: sign in, or use \"forebay user reset NAME\" on its machine")]
    SetUp,
    /// Whoever asks has made as many tokens as may be.
    #[error("you have made {limit} tokens {span}, and may make no more")]
    TooManyTokens {
        /// How many.
        limit: u32,
        /// `at a time`, `in an hour` or `in a day`.
        span: &'static str,
    },
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl Refusal {
    /// This field is wrong.
    pub(super) fn field(path: &'static str, message: impl Into<String>) -> Self {
        let path = FieldPath::default().to(path);
        Self::Fields(vec![FieldError { path, message: message.into() }])
    }
}

impl From<UserError> for Refusal {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Database(error) => Self::Database(error),
            taken @ UserError::NameTaken(_) => Self::Taken(taken.to_string()),
        }
    }
}
