//! The body of a segment, decrypted, and how long it may take.

use std::hash::{DefaultHasher, Hasher as _};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use forebay_core::playlist::follow::Fetch;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use super::decrypt::Decrypt;
use super::session::Media;
use crate::input::Error;

/// Bytes of a body that are taken, decrypted and hashed before other channels have their turn: some
/// milliseconds.
const MAX_IN_A_ROW: usize = 256 << 10;

/// How long reading may take in all, and stand still: half as long where a body just did. What
/// waits for room in the queue does not count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    left: Duration,
    idle: Duration,
    /// The same of a body.
    pause: Duration,
}

impl Limits {
    pub(super) fn new(fetch: &Fetch) -> Self {
        Self { left: fetch.timeout, idle: fetch.idle_timeout, pause: fetch.pause }
    }

    /// The same, for a body of which others stood still.
    pub(super) fn hurried(self) -> Self {
        Self { pause: self.pause / 2, ..self }
    }

    pub(super) async fn within<T>(&self, step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        timeout(self.left.min(self.idle), step).await.unwrap_or_else(|_| Err(late()))
    }

    /// Waits for more of a body.
    async fn on<T>(&mut self, step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let began = Instant::now();
        // Which limit ends the wait is known before it:
        // only a pause means that the body stands still.
        let error = if self.pause < self.left { Error::Stalled } else { late() };
        let came = timeout(self.left.min(self.pause), step).await;
        // Only the wait for bytes counts. Media that
        // waits for room in the queue is early, not late.
        self.left = self.left.saturating_sub(began.elapsed());
        came.unwrap_or(Err(error))
    }
}

fn late() -> Error {
    Error::Broken("it did not come in time".to_owned())
}

/// The body of a segment, decrypted.
pub(super) struct Body {
    media: Media,
    decrypt: Option<Decrypt>,
    limits: Limits,
    /// Of what has come, decrypted.
    hash: DefaultHasher,
    /// Bytes that have come, decrypted.
    read: usize,
    /// Bytes that are left out at its beginning.
    skip: usize,
    /// Bytes that came without letting others have the thread.
    in_a_row: usize,
}

impl Body {
    pub(super) fn new(media: Media, decrypt: Option<Decrypt>, limits: Limits) -> Self {
        Self { media, decrypt, limits, hash: DefaultHasher::new(), read: 0, skip: 0, in_a_row: 0 }
    }

    /// The same without its first so many bytes.
    pub(super) fn behind(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    /// A hash of what has come.
    pub(super) fn hash(&self) -> u64 {
        self.hash.finish()
    }

    /// Bytes that have come.
    pub(super) fn read(&self) -> usize {
        self.read
    }

    /// What is left of the time that it may take.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(mut bytes) = self.more().await? {
            self.in_a_row += bytes.len();
            if self.in_a_row >= MAX_IN_A_ROW {
                self.in_a_row = 0;
                yield_now().await;
            }
            // Before the known bytes are skipped: a download that was resumed hashes
            // like one in a single piece, only if both count from the same byte.
            self.hash.write(&bytes);
            self.read += bytes.len();
            let known = self.skip.min(bytes.len());
            bytes.advance(known);
            self.skip -= known;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    async fn more(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let read = self.limits.on(self.media.next()).await?;
            let Some(decrypt) = &mut self.decrypt else { return Ok(read) };
            let mut clear = BytesMut::new();
            if let Some(bytes) = read {
                decrypt.push(&bytes, &mut clear);
            } else {
                // The last block is held back until the end, since its padding shows only there.
                let is_good = self.decrypt.take().is_none_or(|decrypt| decrypt.finish(&mut clear));
                if !is_good {
                    return Err(Error::Encrypted("a segment does not fit its key".to_owned()));
                }
                if clear.is_empty() {
                    return Ok(None);
                }
            }
            if !clear.is_empty() {
                return Ok(Some(clear.freeze()));
            }
        }
    }
}
