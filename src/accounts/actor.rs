//! Who does something, as the audit log names it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::db::api_keys::ApiKey;
use crate::db::users::User;

/// Who does something.
#[derive(Debug, Clone)]
pub enum Actor {
    /// An admin by the address alone.
    Address(IpAddr),
    /// Somebody who is signed in.
    User(Arc<User>),
    /// A program with a key.
    Key(Arc<ApiKey>),
    /// Whoever has the console, at the first start.
    Console,
    /// A command on the host.
    Command,
    /// The provider of identities that vouches for people.
    IdentityProvider,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address:{address}"),
            Self::User(user) => write!(f, "user:{}:{}", user.id.0, user.spec.name),
            Self::Key(key) => write!(f, "key:{}:{}", key.id.0, key.name),
            Self::Console => f.write_str("console"),
            Self::Command => f.write_str("command"),
            Self::IdentityProvider => f.write_str("identity_provider"),
        }
    }
}
