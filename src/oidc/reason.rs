//! Why somebody was not signed in.

use crate::exchange;

/// Why somebody was not signed in by the provider. The text is for the log: it holds no secret, and
/// nothing that the provider or the browser has made up. Whoever tries is told the
/// [`code`](Self::code).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nobody began here what is to end: another browser did, or it is over.
    #[error("this browser has not begun to sign in, or has ended it, or took too long")]
    NoFlow,
    /// Too many sign in at the same time.
    #[error("too many sign in at the same time")]
    Busy,
    /// The provider cannot be asked, or does not do what the standard says.
    #[error("the provider cannot be asked: {0}")]
    Unreachable(String),
    /// The file with our secret cannot be read.
    #[error("oidc.client_secret_file cannot be read: {0}")]
    NoSecret(String),
    /// The provider has not let the person in.
    #[error("the provider has refused")]
    Denied,
    /// The answer is another one's than our provider's.
    #[error("another provider has answered")]
    OtherSender,
    /// The provider does not take the code.
    #[error("the provider does not take the code (status {0}): are client_id and the secret right?")]
    NoToken(u16),
    /// The ID token proves nothing.
    #[error("the ID token is refused: {0}")]
    BadToken(&'static str),
    /// No claim is a name that a user may have.
    #[error("the claim {0:?} is not a name that a user may have")]
    NoName(String),
    /// No value of the claim is in `admins`, `operators` or `viewers`.
    #[error("no value of the claim {0:?} is in oidc.admins, operators or viewers")]
    NoRole(String),
}

impl Reason {
    pub(super) fn unreachable(why: impl Into<String>) -> Self {
        Self::Unreachable(why.into())
    }

    /// What the page that signs in is told.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoFlow => "expired",
            Self::Busy => "busy",
            Self::Unreachable(_) | Self::NoSecret(_) => "unreachable",
            Self::Denied => "denied",
            Self::OtherSender | Self::NoToken(_) | Self::BadToken(_) => "unproven",
            Self::NoName(_) => "no_name",
            Self::NoRole(_) => "no_role",
        }
    }
}

impl From<exchange::Error> for Reason {
    fn from(error: exchange::Error) -> Self {
        Self::unreachable(error.to_string())
    }
}
