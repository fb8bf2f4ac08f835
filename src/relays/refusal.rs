//! Why something was not done with a relay.

use std::path::PathBuf;

use forebay_relay::model::FieldError;

use crate::db;
use crate::db::relays::{RelayError, RelayId};

/// Why something was not done with a relay. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Fields are wrong, in the words of the configuration file.
    #[error("{} fields are wrong", .0.len())]
    Fields(Vec<FieldError>),
    /// The configuration file has something that there may be once only.
    #[error("{what} belongs to {}, and can be changed there only", .file.display())]
    FileOwns {
        /// What it has.
        what: String,
        /// The file.
        file: PathBuf,
    },
    /// There is no relay with this number.
    #[error("there is no relay {}", .0.0)]
    Unknown(RelayId),
    /// Another relay has something that there may be once only.
    #[error("{0}")]
    Taken(String),
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl From<RelayError> for Refusal {
    fn from(error: RelayError) -> Self {
        match error {
            RelayError::Database(error) => Self::Database(error),
            taken @ (RelayError::PathTaken(_) | RelayError::NumberTaken(_)) => Self::Taken(taken.to_string()),
        }
    }
}
