//! Signing in by a provider of identities: OpenID Connect with a code, PKCE and a nonce
//! ([ADR 16](../../docs/adr/0016-a-small-client-for-openid-connect.md)).
//!
//! [`Oidc::begin`] sends a browser to the provider and remembers why; [`Oidc::finish`] takes what
//! it brings back. In between only that browser has the cookie, so nobody is signed in as somebody
//! else by an address that was made elsewhere.

mod claims;
mod flows;
mod id_token;
mod issuer;
mod reason;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::Url;

use self::claims::person;
use self::flows::Flows;
pub use self::flows::{Flow, LIFETIME};
use self::issuer::Issuer;
pub use self::reason::Reason;
use crate::accounts::Vouched;
use crate::accounts::secret::Secret;
use crate::config::oidc::Oidc as Config;

/// Talks with the provider at the same time. A few people sign in at once; whoever asks for more
/// makes no more.
const MAX_TALKS: usize = 8;

/// How long a talk may take. Somebody looks at an empty page meanwhile.
const TALK: Duration = Duration::from_secs(15);

/// People who are signing in. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Oidc(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    flows: Mutex<Flows>,
    talks: Semaphore,
}

/// What a browser brings back, by the query of the address.
#[derive(Debug, Default)]
pub struct Answer {
    /// Which flow it answers.
    pub state: String,
    /// What the provider is shown for an identity; none where it refused.
    pub code: Option<String>,
    /// Who has answered, if the provider says so (RFC 9207).
    pub issuer: Option<String>,
}

impl Default for Oidc {
    fn default() -> Self {
        Self(Arc::new(Inner { flows: Mutex::default(), talks: Semaphore::new(MAX_TALKS) }))
    }
}

impl Oidc {
    /// Begins: where the browser is to go, and the cookie by which it is known when it comes back
    /// to `redirect`. `host` is where the session is to be, `page` what is to be seen then.
    pub async fn begin(
        &self,
        config: &Config,
        redirect: &Url,
        host: &str,
        page: &str,
    ) -> Result<(Url, Secret), Reason> {
        // Before the cookie: where the provider is away, the browser stays here.
        let issuer = self.talk(Issuer::discover(config)).await?;
        let (flow, cookie) = Flow::new(redirect, host, page);
        let url = issuer.authorization_url(config, &flow);
        self.flows().insert(cookie.hash(), flow, Instant::now());
        Ok((url, cookie))
    }

    /// Ends: who has signed in. A flow ends once, whatever comes of it.
    pub async fn finish(
        &self,
        config: &Config,
        cookie: &str,
        answer: &Answer,
    ) -> Result<(Flow, Vouched), Reason> {
        let flow = self.flows().take(cookie, &answer.state, Instant::now()).ok_or(Reason::NoFlow)?;
        let work = async {
            let issuer = Issuer::discover(config).await?;
            // Before the code leaves us: it is worth an identity to whoever has it.
            issuer.check_sender(answer.issuer.as_deref())?;
            let code = answer.code.as_deref().ok_or(Reason::Denied)?;
            issuer.claims(config, &flow, code).await
        };
        let claims = self.talk(work).await?;
        Ok((flow, person(config, &claims)?))
    }

    /// Does what needs the provider, within the limits.
    async fn talk<T>(&self, work: impl Future<Output = Result<T, Reason>>) -> Result<T, Reason> {
        // Refused and not queued: people press the button again, which would fill any queue.
        let _talk = self.0.talks.try_acquire().map_err(|_| Reason::Busy)?;
        timeout(TALK, work).await.unwrap_or_else(|_| Err(Reason::unreachable("it takes too long")))
    }

    fn flows(&self) -> MutexGuard<'_, Flows> {
        self.0.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
