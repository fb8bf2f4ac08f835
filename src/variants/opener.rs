//! Opens variants and programs as sources, and all other sources as they are.

use std::collections::HashMap;
use std::sync::Arc;

use forebay_core::ingest::Pace;
use forebay_core::transcode::NoCpu;
use forebay_relay::channel::{AdmissionLimits, Channels, ReaderKind, Start, Subscription};
use forebay_relay::input::{Context, Error, Opener, Piece, SocketGuard, Upstream};
use forebay_relay::model::{ChannelId, Source};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::job::Job;
use super::{Inner, Variants, program};
use crate::catalogue::variant_of;

/// Pieces of a job that wait to be taken. With them full, ffmpeg waits.
const MAX_WAITING: usize = 16;

/// What a reader without a user adds to the priority of its channel.
const NO_USER: i32 = 0;

/// Has jobs make variants, runs programs, and has `opener` open all other sources.
#[derive(Debug)]
pub struct VariantOpener {
    variants: Variants,
    opener: Arc<dyn Opener>,
}

impl VariantOpener {
    /// See the type.
    pub fn new(variants: Variants, opener: Arc<dyn Opener>) -> Self {
        Self { variants, opener }
    }
}

impl Opener for VariantOpener {
    fn open(
        &self,
        source: &Source,
        context: &Context,
        hold: SocketGuard,
    ) -> BoxFuture<'static, Result<Upstream, Error>> {
        let inner = Arc::clone(&self.variants.0);
        if let Some(id) = source.url.as_variant() {
            return open(inner, id.to_owned(), hold).boxed();
        }
        match source.url.as_program() {
            Some(words) => async move { program::open(&inner, &words, hold).await }.boxed(),
            None => self.opener.open(source, context, hold),
        }
    }
}

async fn open(inner: Arc<Inner>, id: String, hold: SocketGuard) -> Result<Upstream, Error> {
    let (base, name) = ChannelId::split(&id).ok_or_else(|| failed("it is no variant"))?;
    let channels = inner.channels.get().and_then(std::sync::Weak::upgrade);
    let channels = channels.ok_or_else(|| failed("the server is ending"))?;
    let settings = Arc::clone(&inner.desk().settings);
    let profile = settings.profile(name).ok_or_else(|| failed("there is no such profile any more"))?;
    let found = {
        let (channels, base) = (Arc::clone(&channels), base.to_owned());
        spawn_blocking(move || channels.find(&base)).await.map_err(|_| failed("the server is ending"))?
    };
    let found = found.map_err(|error| failed(&error.to_string()))?;
    let found = found.ok_or_else(|| failed("there is no such channel any more"))?;
    // Before the channel is opened: it would be opened in vain.
    let variant = variant_of(&found.channel, profile);
    let ticket = inner.admit(&variant.id, profile, variant.priority).map_err(|refusal| no_cpu(&refusal))?;
    let subscription = subscribe(&channels, &found).await?;
    let (pieces, coming) = mpsc::channel(MAX_WAITING);
    let job = Job { ticket, subscription, pieces, program: settings.ffmpeg.clone() };
    inner.tasks.spawn(job.run(inner.stop.clone()));
    let pieces = stream::unfold(coming, |mut coming: mpsc::Receiver<Result<Piece, Error>>| async move {
        let piece = coming.recv().await?;
        Some((piece, coming))
    });
    let mut upstream = Upstream::new(pieces.boxed(), Pace::Live, hold);
    // What the channel itself sends again is no fault of ours.
    upstream.facts.begins_again = true;
    Ok(upstream)
}

/// Reads the channel, once it has a picture.
async fn subscribe(
    channels: &Arc<Channels>,
    found: &forebay_relay::channel::ListedChannel,
) -> Result<Subscription, Error> {
    let admission = AdmissionLimits { max_bandwidth: None, served: &HashMap::new() };
    let reader = channels.join(found, (ReaderKind::Job, NO_USER), &admission);
    let mut subscription = Subscription::new(reader.map_err(|_| failed("the channel is not to be had now"))?);
    match subscription.started().await {
        Start::Started => Ok(subscription),
        Start::Failed(_) => Err(failed("no source of the channel has a picture")),
        Start::Ended => Err(failed("the channel is ending")),
    }
}

fn failed(why: &str) -> Error {
    Error::Job(why.to_owned())
}

pub(super) fn no_cpu(refusal: &NoCpu) -> Error {
    Error::NoCpu(refusal.to_string())
}
