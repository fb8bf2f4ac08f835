//! Pages of video platforms as sources: whoever resolves pages says where their media is.
//!
//! The address of the media ends, after some hours at the latest. So an HLS source asks for another
//! one before that ([`hls`](super::hls)); a connection that is open outlives its address.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::resolve::Page;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use url::Url;

pub use super::no_address::NoAddress;
use super::{Context, Error, Opener, SocketGuard, Upstream};
use crate::model::{Proxy, ProxyChoice, Scope, Source, SourceUrl};

/// Where the media of a page is, for a while.
#[derive(Clone)]
pub struct Address {
    /// The address. It may hold a token.
    pub url: Url,
    /// The `User-Agent` that the platform wants to see with it.
    pub user_agent: Option<String>,
    /// What else it wants to see.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The proxy by which the page was read: addresses are often bound to whoever has asked.
    pub proxy: Option<Proxy>,
    /// Whether it may lead to addresses that are not public.
    pub allow_private: bool,
    /// How much longer it is good.
    pub lifetime: Duration,
}

/// Knows where the media of pages is.
pub trait Pages: fmt::Debug + Send + Sync {
    /// Where the media of `page` is now: at another address than this one, which ends or is
    /// refused.
    fn address(
        &self,
        page: &Page,
        other_than: Option<&Url>,
    ) -> BoxFuture<'static, Result<Address, NoAddress>>;
}

/// A page of which the media is followed, and where that was found.
#[derive(Debug, Clone)]
pub struct Followed {
    pub(super) pages: Arc<dyn Pages>,
    pub(super) page: Page,
    pub(super) address: Address,
}

/// Opens pages at the addresses of their media, and all other sources as they are.
#[derive(Debug)]
pub struct PageOpener {
    pages: Arc<dyn Pages>,
    opener: Arc<dyn Opener>,
}

impl PageOpener {
    /// Asks `pages` where the media of a page is, and has `opener` open it there.
    pub fn new(pages: Arc<dyn Pages>, opener: Arc<dyn Opener>) -> Self {
        Self { pages, opener }
    }
}

impl Opener for PageOpener {
    fn open(
        &self,
        source: &Source,
        context: &Context,
        hold: SocketGuard,
    ) -> BoxFuture<'static, Result<Upstream, Error>> {
        let Some(page) = source.url.page() else { return self.opener.open(source, context, hold) };
        let (pages, opener) = (Arc::clone(&self.pages), Arc::clone(&self.opener));
        let (source, context) = (source.clone(), context.clone());
        async move {
            let open = |address: Address| {
                let source = address.source(&source);
                let followed = Followed { pages: Arc::clone(&pages), page: page.clone(), address };
                let context = Context { followed: Some(followed), ..context.clone() };
                opener.open(&source, &context, hold.clone())
            };
            let address = pages.address(&page, None).await?;
            let url = address.url.clone();
            match open(address).await {
                // It has ended before its time.
                // Once only: when a new address is refused
                // too, the page is at fault, or the account.
                Err(error) if error.is_refusal() => match pages.address(&page, Some(&url)).await {
                    Ok(another) => open(another).await,
                    // The refusal tells more than that there is no other address.
                    Err(_) => Err(error),
                },
                result => result,
            }
        }
        .boxed()
    }
}

impl Address {
    /// A source at this address. What its configuration says comes first.
    pub(super) fn source(&self, page: &Source) -> Source {
        let mut source = page.clone();
        // Marked as one that the platform named, so that logs show its server only.
        source.url = SourceUrl::led_to(self.url.clone());
        source.user_agent = source.user_agent.or_else(|| self.user_agent.clone());
        for (name, value) in &self.headers {
            if !page.headers.iter().any(|(known, _)| known == name) {
                source.headers.push((name.clone(), value.clone()));
            }
        }
        if !self.allow_private && source.access.scope == Scope::Own {
            // The platform has named it.
            source.access.scope = Scope::Internet;
        }
        // A proxy of the source's own configuration stays; only the default gives way.
        if let (ProxyChoice::Environment, Some(proxy)) = (&source.access.proxy, &self.proxy) {
            source.access.proxy = ProxyChoice::Proxy(proxy.clone());
        }
        source
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rest may hold tokens.
        f.debug_struct("Address").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn address() -> Address {
        Address {
            url: Url::parse("https://cdn.example/live.m3u8?token=hunter2").unwrap(),
            user_agent: Some("Mozilla".to_owned()),
            headers: vec![(http::header::REFERER, HeaderValue::from_static("https://a.example/"))],
            proxy: None,
            allow_private: false,
            lifetime: Duration::from_mins(1),
        }
    }

    fn page() -> Source {
        Source::new(SourceUrl::parse("page:https://www.youtube.com/@NASA/live", Path::new("")).unwrap())
    }

    #[test]
    fn a_page_is_opened_as_the_platform_wants_it() {
        let source = address().source(&page());
        assert_eq!(source.url.expose().host_str(), Some("cdn.example"));
        assert_eq!(source.user_agent.as_deref(), Some("Mozilla"));
        assert_eq!(source.headers[0].1, "https://a.example/");
        assert_eq!(source.access.scope, Scope::Internet, "a platform does not name services in here");
    }

    #[test]
    fn what_is_configured_comes_first() {
        let own = (http::header::REFERER, HeaderValue::from_static("https://b.example/"));
        let page = Source { user_agent: Some("VLC".to_owned()), headers: vec![own.clone()], ..page() };
        let source = Address { allow_private: true, ..address() }.source(&page);
        assert_eq!((source.user_agent.as_deref(), &source.headers[..]), (Some("VLC"), &[own][..]));
        assert_eq!(source.access.scope, Scope::Own);
    }

    #[test]
    fn no_secret_is_printed() {
        assert!(!format!("{:?}", address()).contains("hunter2"));
    }
}
