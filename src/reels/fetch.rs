//! Where the bytes of a file come from, and what is done when they do not.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use forebay_relay::input::Error;
use forebay_relay::input::page::Address;
use forebay_relay::input::ranges::{FilePart, RangedFile, Ranges};
use tokio::time::{sleep, timeout};
use url::Url;

use super::{Key, ReelError};
use crate::resolver::Resolver;

/// Bytes of one range: platforms refuse, or slow down, whoever asks for much more.
const PIECE: u64 = 8 << 20;

/// The same where the platform has refused a fresh address: it may take us for a robot.
pub(super) const SMALL_PIECE: u64 = 1 << 20;

/// How long the platform may take to answer.
const ANSWER: Duration = Duration::from_secs(20);

/// The longest wait before an address is asked for again.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The shortest.
const PAUSE: Duration = Duration::from_millis(250);

/// The file at its address of now.
pub(super) struct Source {
    pub(super) key: Key,
    resolver: Resolver,
    ranges: Ranges,
    file: RangedFile,
    url: Url,
    most: u64,
    /// The address is good for as much as is asked for at once.
    is_proved: bool,
}

impl Source {
    /// Asks for the beginning of a file.
    pub(super) async fn open(
        resolver: Resolver,
        ranges: Ranges,
        key: Key,
    ) -> Result<(Self, FilePart), ReelError> {
        let address = resolver.file(&key.page, &key.format, None).await?;
        let (file, url) = (ranges.at(&address), address.url);
        let mut source = Self { key, resolver, ranges, file, url, most: PIECE, is_proved: false };
        // Its length is not known yet, and nobody refuses so little.
        let first = match source.get(0..SMALL_PIECE).await {
            Err(error) if error.is_refusal() => {
                let (page, format) = (&source.key.page, &source.key.format);
                // A fresh look at the page may have come from
                // the store, where its addresses can be over.
                let another = source.resolver.file(page, format, Some(&source.url)).await;
                source.move_to(another.map_err(|_| error)?);
                source.get(0..SMALL_PIECE).await?
            }
            first => first?,
        };
        Ok((source, first))
    }

    /// The most bytes that are asked for at once.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// Nothing is asked for until somebody reads on.
    pub(super) fn rest(&mut self) {
        self.file.close_idle();
    }

    pub(super) async fn get(&self, range: Range<u64>) -> Result<FilePart, Error> {
        let late = || Error::Broken("no answer in time".to_owned());
        timeout(ANSWER, self.file.get(range)).await.unwrap_or_else(|_| Err(late()))
    }

    /// So many bytes have come of one request. Little is given to everybody.
    pub(super) fn prove(&mut self, bytes: u64) {
        self.is_proved |= bytes > SMALL_PIECE || self.most == SMALL_PIECE;
    }

    /// Makes ready for another try after so many in vain.
    pub(super) async fn recover(&mut self, error: &Error, failures: u32) {
        if !error.is_refusal() {
            return sleep((PAUSE * failures).min(MAX_PAUSE)).await;
        }
        // The address may be good and only the range too
        // large; a new one would meet the same refusal.
        if !self.is_proved && self.most > SMALL_PIECE {
            self.most = SMALL_PIECE;
            return;
        }
        let (page, format) = (&self.key.page, &self.key.format);
        match self.resolver.file(page, format, Some(&self.url)).await {
            Ok(address) => self.move_to(address),
            Err(unknown) => sleep(unknown.retry_after.clamp(PAUSE, MAX_PAUSE)).await,
        }
    }

    fn move_to(&mut self, address: Address) {
        (self.file, self.url, self.is_proved) = (self.ranges.at(&address), address.url, false);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a token.
        f.debug_struct("Source").field("key", &self.key).finish_non_exhaustive()
    }
}
