//! HTTPS: where the certificate comes from, how a new one takes its place, and connections over TLS.
//!
//! One thing holds the certificate in force ([`Current`]) and every handshake asks it; so a new certificate is for those who connect
//! from then on, and nobody who watches is disturbed. What puts it there is a task ([`Keeper`]): it looks after files that somebody
//! else writes, or gets certificates from an authority.

mod acme;
mod connection;
mod current;
mod files;
mod keeper;
mod streams;

pub(crate) use self::acme::{Challenges, answer as answer_challenge};
pub(crate) use self::connection::Acceptor;
pub(crate) use self::current::Current;
pub(crate) use self::keeper::Keeper;
pub(crate) use crate::certificate::{Certificate, Error as CertificateError};
