//! Who keeps the certificate in force good.

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::acme::Acme;
use super::files::Files;
use super::{Challenges, Current};
use crate::config::{self, Identity, InForce};

/// The task that puts certificates in force.
#[derive(Debug)]
pub(crate) enum Keeper {
    /// Somebody else writes them.
    Files(Files),
    /// An authority signs them.
    Acme(Acme),
}

impl Keeper {
    /// Puts the certificate that there is in force; with an authority there may be none yet.
    pub(crate) fn new(tls: &config::Tls, current: Current, challenges: Challenges) -> anyhow::Result<Self> {
        Ok(match &tls.identity {
            Identity::Files { certificate, key } => Self::Files(Files::new(certificate, key, current)?),
            Identity::Acme(acme) => Self::Acme(
                Acme::new(acme.clone(), current, challenges)
                    .with_context(|| format!("cannot keep certificates in {}", acme.cache.display()))?,
            ),
        })
    }

    /// Keeps at it until `stop`.
    pub(crate) async fn run(self, in_force: InForce, stop: CancellationToken) {
        match self {
            Self::Files(files) => files.run(in_force, stop).await,
            Self::Acme(acme) => acme.run(stop).await,
        }
    }
}
