//! Events that reach a driver from outside: readers, settings, commands, free connections.

use std::sync::Arc;

use forebay_core::failover::SourceId;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::leasing::connection_for;
use super::readership::Readership;
use crate::channel::command::Command;
use crate::channel::feed::Feed;
use crate::channel::hls_viewers::HlsViewers;
use crate::model::Channel;
use crate::providers::{Providers, Purpose};

/// Where a driver's events from outside arrive.
pub(super) struct Inbox {
    pub(super) stop: CancellationToken,
    pub(super) readership: Readership,
    settings: watch::Receiver<Arc<Channel>>,
    hls_viewers: watch::Receiver<HlsViewers>,
    commands: mpsc::Receiver<Command>,
    /// Changes when some provider may have a connection to spare again.
    connections: watch::Receiver<u64>,
}

/// An event from outside.
pub(super) enum Message {
    /// The channel was removed, or the process ends.
    Stop,
    /// The readers have changed: see [`Readership::changed`].
    Readers,
    /// The channel has new settings.
    Settings,
    /// The viewers by HLS have changed.
    HlsViewers,
    Command(Command),
    /// There may be a connection for a source that waits for one.
    ConnectionFree(SourceId),
}

impl Inbox {
    pub(super) fn new(
        feed: &Feed,
        commands: mpsc::Receiver<Command>,
        providers: &Providers,
        stop: CancellationToken,
    ) -> Self {
        Self {
            stop,
            readership: Readership::new(feed.attendance.subscribe()),
            settings: feed.channel.subscribe(),
            hls_viewers: feed.hls.viewers.subscribe(),
            commands,
            connections: providers.changed(),
        }
    }

    /// Waits for the next event. `waiting` are the sources of `channel` that wait for a connection,
    /// which the channel claims for these purposes, with this priority.
    pub(super) async fn next(
        &mut self,
        waiting: &[(SourceId, Purpose)],
        (channel, priority): (&Channel, i32),
        providers: &Providers,
    ) -> Message {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Message::Stop,
            () = self.readership.changed() => Message::Readers,
            _ = self.settings.changed() => Message::Settings,
            _ = self.hls_viewers.changed() => Message::HlsViewers,
            Some(command) = self.commands.recv() => Message::Command(command),
            source = connection_for(waiting, (channel, priority), providers, &mut self.connections),
                if !waiting.is_empty() => Message::ConnectionFree(source),
        }
    }

    /// The newest settings.
    pub(super) fn take_settings(&mut self) -> Arc<Channel> {
        Arc::clone(&self.settings.borrow_and_update())
    }

    /// The viewers by HLS; marks them as seen.
    pub(super) fn take_hls_viewers(&mut self) -> HlsViewers {
        *self.hls_viewers.borrow_and_update()
    }

    /// The viewers by HLS.
    pub(super) fn hls_viewers(&self) -> HlsViewers {
        *self.hls_viewers.borrow()
    }
}
