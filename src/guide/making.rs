//! Making our own guides: by tasks of their own, one at a time.

use std::sync::Arc;

use forebay_relay::state::{Access, Dir};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::document::{Document, Draft, Visibility, fingerprint};
use super::documents::{CacheKey, Documents, Found, Making, making};
use super::service::Guides;
use super::snapshot::Snapshot;
use super::store::Error;
use super::tasks::joined;
use crate::catalogue::List;

/// Removes a making from those that there are, whatever has become of it.
struct Made<'a>(&'a Documents, CacheKey);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        self.0.made(&self.1);
    }
}

impl Guides {
    /// Our own guide of the channels that are seen, made now if none is kept.
    pub async fn document(&self, visibility: Visibility) -> Result<Arc<Document>, Arc<Error>> {
        let found = self.find_or_make(visibility).await.map_err(Arc::new)?;
        match found {
            Ok(document) => {
                self.0.tally.found.add();
                Ok(document)
            }
            Err(making) => making.await,
        }
    }

    /// A document, or its making.
    pub(super) async fn find_or_make(
        &self,
        visibility: Visibility,
    ) -> Result<Result<Arc<Document>, Making>, Error> {
        let (inner, list) = (&self.0, self.0.catalogue.list());
        let visibility = Arc::new(visibility);
        let known = inner.documents.of_all(&list).filter(|_| visibility.is_all);
        let channels = if let Some(channels) = known {
            channels
        } else {
            let (this, visibility) = (self.clone(), Arc::clone(&visibility));
            let seed = move |list: &List, connection: Option<&rusqlite::Connection>| {
                fingerprint(&this.0.documents.seed, &visibility, (list, connection))
            };
            list.read(seed).await?
        };
        if visibility.is_all {
            inner.documents.note_all(&list, channels);
        }
        let snapshot = self.snapshot();
        let key = CacheKey::new(channels, &snapshot, Timestamp::now().as_second());
        let found = inner.documents.find(&key);
        if let Found::Fresh(document) = found {
            return Ok(Ok(document));
        }
        let begun = inner.documents.make(key, || {
            let task = self.clone().make(key, list, visibility, snapshot);
            let task = inner.tasks.spawn(task);
            making(task.map(joined).boxed())
        });
        match (found, begun) {
            // It is made anew behind the back of whoever asks first in an hour.
            (Found::LastHour(document), _) => Ok(Ok(document)),
            (_, Ok(making)) => Ok(Err(making)),
            (_, Err(error)) => {
                inner.tally.refused.add();
                Err(error)
            }
        }
    }

    async fn make(
        self,
        key: CacheKey,
        list: Arc<List>,
        visibility: Arc<Visibility>,
        snapshot: Arc<Snapshot>,
    ) -> Result<Arc<Document>, Arc<Error>> {
        let inner = Arc::clone(&self.0);
        let _made = Made(&inner.documents, key);
        let turn = Arc::clone(&inner.turns.heavy).acquire_owned().await.expect("it is never closed");
        if let Found::Fresh(document) = inner.documents.find(&key) {
            return Ok(document);
        }
        let now = Timestamp::now().as_second();
        let (this, of) = (self.clone(), Arc::clone(&snapshot));
        let beginning = list.read(move |list, connection| {
            let inner = &*this.0;
            let made = Dir::new(inner.files.folder(), Access::Owner).create().map_err(Error::File);
            let path = inner.files.name_of_document();
            let by = (&inner.documents.seed, &inner.ended);
            Ok(made.and_then(|()| Draft::begin(&path, &of, (list, connection), &visibility, by)))
        });
        let draft = beginning.await.map_err(Error::from).flatten().map_err(Arc::new)?;
        let this = self;
        let finishing = spawn_blocking(move || {
            let _turn = turn;
            let inner = &*this.0;
            let key = CacheKey::new(draft.channels, &snapshot, now);
            let document = draft.finish(&snapshot, now, &inner.ended)?;
            inner.tally.made.add();
            let (document, has_evicted) = inner.documents.put(key, document);
            if has_evicted {
                inner.tally.evicted.add();
            }
            Ok::<_, Error>(document)
        });
        joined(finishing.await).map_err(Arc::new)
    }
}
