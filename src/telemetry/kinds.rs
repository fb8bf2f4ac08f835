//! A limit for each kind of line: whatever repeats itself without end must not fill disks, nor bury
//! the rest.
//!
//! A kind is one place in the code. `debug` and `trace` have no limit: whoever switches them on
//! wants to see each.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, warn};
use tracing_subscriber::layer::{Context, Layer};

use super::bucket::{Bucket, Rate};
use super::count_suppressed;

/// Enough for ten thousand viewers whose lines come within minutes, as at the start of a match; for
/// good, some 30 MB a day of one kind.
const RATE: Rate = Rate { burst: 1000, every: Duration::from_millis(500) };

/// So much of a message is repeated when some of its kind are missing, in characters.
const MAX_SHOWN: usize = 80;

/// The kinds of lines so far: as many as there are places in the code that were reached.
#[derive(Clone, Default)]
pub(super) struct Kinds(Arc<Mutex<HashMap<Identifier, Kind>>>);

struct Kind {
    bucket: Bucket,
    /// Not told yet.
    suppressed: u64,
    /// The message of the first of those.
    like: String,
}

impl Kinds {
    /// Whether one more line of this kind may be written; one that may not is counted.
    fn admit(&self, kind: Identifier, now: Instant) -> Verdict {
        let mut kinds = self.kinds();
        let kind = kinds.entry(kind).or_insert_with(|| Kind {
            bucket: Bucket::full(now),
            suppressed: 0,
            like: String::new(),
        });
        if kind.bucket.take(RATE, now) {
            return Verdict::Write;
        }
        kind.suppressed += 1;
        if kind.suppressed == 1 { Verdict::SuppressFirst } else { Verdict::Suppress }
    }

    /// Says in the log which lines are missing. To be called now and then.
    pub(super) fn tell(&self) {
        let missing: Vec<(u64, String)> = self
            .kinds()
            .values_mut()
            .filter(|kind| kind.suppressed > 0)
            .map(|kind| (std::mem::take(&mut kind.suppressed), std::mem::take(&mut kind.like)))
            .collect();
        for (lines, like) in missing {
            warn!(lines, like, "lines of the log were suppressed: too many of one kind");
        }
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<Identifier, Kind>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Verdict {
    Write,
    SuppressFirst,
    Suppress,
}

impl<S: Subscriber> Layer<S> for Kinds {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if *event.metadata().level() > Level::INFO {
            return true;
        }
        let kind = event.metadata().callsite();
        match self.admit(kind.clone(), Instant::now()) {
            Verdict::Write => return true,
            Verdict::SuppressFirst => {
                // Not under the lock: how a field is printed is others' code.
                let mut message = Message(String::new());
                event.record(&mut message);
                if let Some(kind) = self.kinds().get_mut(&kind) {
                    kind.like = message.0;
                }
            }
            Verdict::Suppress => {}
        }
        count_suppressed(1);
        false
    }
}

/// Reads the message of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let mut whole = String::new();
            // A `String` takes everything.
            let _ = write!(whole, "{value:?}");
            self.0 = whole.chars().take(MAX_SHOWN).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn one_kind_has_a_limit_and_others_are_heard() {
        let kinds = Kinds::default();
        let subscriber = tracing_subscriber::registry().with(kinds.clone());
        let before = super::super::left_out().suppressed;
        tracing::subscriber::with_default(subscriber, || {
            for at in 0..RATE.burst + 7 {
                warn!("viewer {at} joined");
            }
            for _ in 0..RATE.burst + 7 {
                tracing::debug!("each is wanted");
            }
            warn!("another kind");
        });
        let mut missing: Vec<(u64, String)> =
            kinds.kinds().values().map(|kind| (kind.suppressed, kind.like.clone())).collect();
        missing.sort();
        assert_eq!(missing, [(0, String::new()), (7, "viewer 1000 joined".into())]);
        assert_eq!(super::super::left_out().suppressed - before, 7);
        kinds.tell();
        assert!(kinds.kinds().values().all(|kind| kind.suppressed == 0), "each is told once");
    }
}
