//! One order: from the account to the signed certificate.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use forebay_relay::net::trust::read_roots;
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, OrderStatus, RetryPolicy,
};
use tracing::{debug, info, warn};

use super::client::Client;
use super::store::Store;
use super::{Certificate, Challenges};
use crate::config;
use crate::tls::CertificateError;

/// How the authority is asked whether it has got further: soon at first, and for five minutes at
/// most.
const POLL: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).timeout(Duration::from_mins(5));

/// What the authority says of an account that it does not know.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// What it says when too much was asked of it.
const RATE_LIMITED: &str = "urn:ietf:params:acme:error:rateLimited";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The authority refused something, or could not be asked.
    #[error("{0}")]
    Acme(#[from] instant_acme::Error),
    /// It did not find what it looked for under a name.
    #[error("{0}")]
    NotOurs(String),
    /// It knows no challenge that we can answer.
    #[error("the authority does not offer http-01 for {0}")]
    NoHttp01(String),
    /// It signed something else.
    #[error("what was signed cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// The file of roots is not good any more.
    #[error("root: {0}")]
    Root(String),
    /// The cache.
    #[error("the account cannot be kept: {0}")]
    Cache(#[from] io::Error),
    /// It was too slow.
    #[error("the authority did not get through with the order in time")]
    Timeout,
}

impl Error {
    /// What to do about it.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::NotOurs(_) => {
                "every name in domains must lead to this machine, and port 80 there to server.listen; then send SIGHUP"
            }
            Self::Acme(instant_acme::Error::Api(problem))
                if problem.r#type.as_deref() == Some(RATE_LIMITED) =>
            {
                "the authority signs only so many in a week; wait, and try things out with its staging directory"
            }
            Self::Acme(instant_acme::Error::Api(_)) => {
                "see what the authority says; SIGHUP tries again at once"
            }
            Self::Acme(_) | Self::Timeout => {
                "is the authority's directory reachable from here? SIGHUP tries again at once"
            }
            Self::NoHttp01(_) => "another authority is needed for this name, or another name",
            Self::Certificate(_) => "another authority is needed",
            Self::Root(_) => "the file that root names must be there, and readable",
            Self::Cache(_) => "the folder that cache names must be writable",
        }
    }
}

/// What an order needs.
pub(super) struct Order<'a> {
    pub(super) config: &'a config::Acme,
    pub(super) store: &'a Store,
    pub(super) challenges: &'a Challenges,
}

impl Order<'_> {
    /// Gets a certificate signed. Also gives its key and its chain in PEM, to be kept.
    pub(super) async fn run(&self) -> Result<(Certificate, Vec<u8>), Error> {
        let account = self.account().await?;
        let names: Vec<_> = self.config.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = match account.new_order(&NewOrder::new(&names)).await {
            Err(instant_acme::Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
                warn!("the authority has forgotten our account; the next attempt makes another");
                // Kept, the same account would be refused at each further attempt.
                self.store.forget_account()?;
                return Err(instant_acme::Error::Api(problem).into());
            }
            order => order?,
        };
        self.prove(&mut order).await?;
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&POLL).await?;
        // One text for both, so that what is kept is read back as it was checked.
        let pem = format!("{key}{chain}").into_bytes();
        Ok((Certificate::from_pem(&pem, &pem)?, pem))
    }

    /// The account with the authority: the one that was kept, or a new one.
    async fn account(&self) -> Result<Account, Error> {
        let roots = self.config.root.as_deref().map(read_roots).transpose().map_err(Error::Root)?;
        let client = Client::new(roots.unwrap_or_default());
        let builder = Account::builder_with_http(Box::new(client));
        if let Some(json) = self.store.account()? {
            if let Ok(credentials) = serde_json::from_slice(&json) {
                return Ok(builder.from_credentials(credentials).await?);
            }
            // Not what is wrong with it, for that could repeat some of the key.
            warn!("the account that was kept cannot be read; a new one is made");
        }
        let contact: Vec<&str> = self.config.contact.iter().map(String::as_str).collect();
        // The configuration says that they were read.
        let new =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder.create(&new, self.config.directory.to_string(), None).await?;
        let json = serde_json::to_vec(&credentials).map_err(instant_acme::Error::Json)?;
        self.store.save_account(&json)?;
        info!("account made with the authority");
        Ok(account)
    }

    /// Answers the authority for each name that it is not sure of.
    async fn prove(&self, order: &mut instant_acme::Order) -> Result<(), Error> {
        let mut expected = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            let name = authorization.identifier().to_string();
            // One that is not valid for good fails the order, which then says why.
            if authorization.status != AuthorizationStatus::Pending {
                debug!(name, status = ?authorization.status, "the authority does not ask");
                continue;
            }
            let challenge = authorization.challenge(ChallengeType::Http01);
            let mut challenge = challenge.ok_or(Error::NoHttp01(name))?;
            expected.push(self.challenges.expect(&challenge.token, challenge.key_authorization().as_str()));
            // Only behind `expect`: the authority may ask before this call returns.
            challenge.set_ready().await?;
        }
        let refused = match order.poll_ready(&POLL).await {
            Ok(OrderStatus::Ready) => return Ok(()),
            Ok(_) => Error::NotOurs("the authority gives no reason".to_owned()),
            // The authority names the reason for each name separately; that tells more.
            Err(error @ instant_acme::Error::Api(_)) => error.into(),
            Err(error) => return Err(error.into()),
        };
        Err(failures(order).await?.map_or(refused, Error::NotOurs))
    }
}

/// What the authority has found out about each name that it did not find to be ours.
async fn failures(order: &mut instant_acme::Order) -> Result<Option<String>, Error> {
    let mut found = String::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        authorization.refresh().await?;
        for problem in authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref()) {
            let separator = if found.is_empty() { "" } else { "; " };
            let detail = problem.detail.as_deref().unwrap_or("no reason given");
            let _ = write!(found, "{separator}{}: {detail}", authorization.identifier());
        }
    }
    Ok((!found.is_empty()).then_some(found))
}
