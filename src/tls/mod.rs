//! Where the certificate comes from and how a new one takes its place.
//!
//! One thing holds the certificate in force ([`Current`]) and every handshake asks it; so a new
//! certificate is for those who connect from then on, and nobody who watches is disturbed. What
//! puts it there is a task ([`Keeper`]): it looks after files that somebody else writes, or gets
//! certificates from an authority.

mod acme;
mod current;
mod files;
mod keeper;

pub(crate) use self::acme::Challenges;
pub(crate) use self::current::Current;
pub(crate) use self::keeper::Keeper;
pub(crate) use crate::certificate::{Certificate, Error as CertificateError};
