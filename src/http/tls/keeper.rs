//! Who keeps the certificate in force good.

use tokio_util::sync::CancellationToken;

use super::Current;
use super::files::Files;
use crate::config::{self, Identity};
use crate::http::App;

/// The task that puts certificates in force.
#[derive(Debug)]
pub(crate) enum Keeper {
    /// Somebody else writes them.
    Files(Files),
}

impl Keeper {
    /// Puts the certificate that there is in force.
    pub(crate) fn new(tls: &config::Tls, current: Current) -> anyhow::Result<Self> {
        Ok(match &tls.identity {
            Identity::Files { certificate, key } => Self::Files(Files::new(certificate, key, current)?),
        })
    }

    /// Keeps at it until `stop`.
    pub(crate) async fn run(self, app: App, stop: CancellationToken) {
        match self {
            Self::Files(files) => files.run(app, stop).await,
        }
    }
}
