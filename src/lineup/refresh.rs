//! One reading of a playlist, from its server to viewers.

use std::sync::Arc;

use bytes::Bytes;
use forebay_core::lineup::UnixTime;
use forebay_core::lineup::identity::Held;
use forebay_core::lineup::m3u::Document as Kind;
use forebay_relay::events::Event;
use forebay_relay::input::Error as InputError;
use forebay_relay::input::document::Marks;
use futures_util::Stream;
use jiff::Timestamp;
use serde_json::json;
use tracing::{info, warn};

use super::apply::{self, Abort, Outcome, Summary, Terms, held_code};
use super::fetch::{self, FetchError, Got};
use super::runs::Run;
use super::spool::{Document, Form};
use super::{Authority, Lineup, Refusal, audit, object};
use crate::accounts::Actor;
use crate::config::playlist::Playlist as Settings;
use crate::db::Error;
use crate::db::lineup::{self, Changed, HeldDocument, PlaylistId};

/// How a reading went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The list is as it was.
    Unchanged,
    /// It was taken.
    Applied(Box<Summary>),
}

impl Lineup {
    /// Reads a playlist now, unless it is being read.
    pub async fn refresh(&self, id: PlaylistId) -> Result<Refreshed, Refusal> {
        // One at a time for each playlist: two would both write what the other has not seen.
        let run = self.0.runs.begin(id).ok_or(Refusal::Running)?;
        let result = self.refresh_in(id, &run).await;
        self.tell(id, &run, result)
    }

    /// Takes a list that somebody uploads.
    pub async fn upload(
        &self,
        id: PlaylistId,
        body: impl Stream<Item = Result<Bytes, InputError>> + Unpin,
        actor: &Actor,
    ) -> Result<Refreshed, Refusal> {
        let settings = self.settings(&self.get(id).await?.playlist)?;
        let run = self.0.runs.begin(id).ok_or(Refusal::Running)?;
        let take = async {
            let document = fetch::upload(&self.0.spool, body, &run.progress).await?;
            // Whoever uploads a list decides how far its
            // addresses may reach, so that is kept with it.
            let document = Document { given_by: Some(Authority::of(actor)), ..document };
            self.take(id, settings, document, &run, Terms::now(), Some(actor)).await
        };
        let result = take.await;
        self.tell(id, &run, result)
    }

    /// Takes the list that is held, whatever goes missing by it.
    pub async fn accept(&self, id: PlaylistId, actor: &Actor) -> Result<Refreshed, Refusal> {
        let view = self.get(id).await?;
        let held = view.held.ok_or(NOTHING_HELD)?;
        if !held.is_acceptable {
            return Err(Refusal::Nothing("what is held is no list, and can only be discarded"));
        }
        let settings = self.settings(&view.playlist)?;
        let run = self.0.runs.begin(id).ok_or(Refusal::Running)?;
        let form: HeldForm = serde_json::from_str(&held.reason)
            .map_err(|_| Error::Damaged("a held list cannot be read".to_owned()))?;
        let (file, digest, marks) = (self.0.spool.held(&held.file), held.digest, Marks::default());
        let (is_whole, given_by) = (form.is_whole, form.given_by());
        let document = Document { file, form: form.form(), digest, marks, is_whole, given_by };
        // An admin has looked at it: the limit on channels that go missing does not hold.
        let terms = Terms { is_accepted: true, ..Terms::now() };
        let result = self.take(id, settings, document, &run, terms, Some(actor)).await;
        // Only then: a list that could not be written stays held, and can be accepted again.
        if result.is_ok() {
            self.0.spool.held(&held.file).release();
        }
        self.tell(id, &run, result)
    }

    /// Forgets the list that is held.
    pub async fn discard(&self, id: PlaylistId, actor: &Actor) -> Result<(), Refusal> {
        let held = self.get(id).await?.held.ok_or(NOTHING_HELD)?;
        let actor = actor.clone();
        let released = self.0.database.write(move |connection| {
            let is_released = lineup::release(connection, id)?;
            if is_released {
                audit::note(connection, &actor, "playlist.discard", object(id), [None, None])?;
            }
            Ok::<_, Error>(is_released)
        });
        if released.await? {
            self.0.spool.held(&held.file).release();
        }
        Ok(())
    }

    async fn refresh_in(&self, id: PlaylistId, run: &Run) -> Result<Refreshed, Refusal> {
        let view = self.get(id).await?;
        let settings = self.settings(&view.playlist)?;
        let known = view.taken.map(|taken| Marks { etag: taken.etag, last_modified: taken.last_modified });
        let (documents, spool) = (&self.0.documents, &self.0.spool);
        let known = known.unwrap_or_default();
        let got = fetch::fetch(documents, spool, &settings, &known, &run.progress).await?;
        // The server says that nothing has changed (304), so not even the account is asked for.
        let Got::Document(document, account) = got else { return Ok(Refreshed::Unchanged) };
        if let Some(account) = account {
            self.commit(move |connection, _| {
                // In front of the list: where that is refused,
                // the number of connections still counts.
                let is_news = lineup::set_account(connection, id, &account)?;
                let mut changed = Changed::default();
                if is_news {
                    // How many connections there may be is a setting of its channels.
                    changed.all_of(lineup::paths(connection, id)?);
                }
                Ok::<_, Refusal>(((), changed))
            })
            .await?;
        }
        self.take(id, settings, *document, run, Terms::now(), None).await
    }

    /// Takes a document, or holds it.
    async fn take(
        &self,
        id: PlaylistId,
        settings: Settings,
        document: Document,
        run: &Run,
        terms: Terms,
        actor: Option<&Actor>,
    ) -> Result<Refreshed, Refusal> {
        let document = Arc::new(document);
        let mut result = self.apply(id, &settings, &document, run, terms, actor).await;
        // The address is an HLS playlist itself, so it is taken as the only channel of the list.
        if matches!(result, Err(Abort::OneChannel)) {
            let terms = Terms { is_one_channel: true, ..terms };
            result = self.apply(id, &settings, &document, run, terms, actor).await;
        }
        match result {
            Ok(Outcome::Unchanged(_)) => Ok(Refreshed::Unchanged),
            Ok(Outcome::Applied { summary, .. }) => Ok(Refreshed::Applied(summary)),
            Err(Abort::Held(held)) => self.hold(id, &document, held).await,
            Err(Abort::OneChannel) => self.hold(id, &document, Held::NotAList(Kind::HlsPlaylist)).await,
            Err(Abort::Cancelled) => Err(FetchError::Cancelled.into()),
            Err(Abort::Gone) => Err(Refusal::Unknown(id)),
            Err(Abort::Io(error)) => Err(FetchError::from(error).into()),
            Err(Abort::Database(error)) => Err(error.into()),
        }
    }

    async fn apply(
        &self,
        id: PlaylistId,
        settings: &Settings,
        document: &Arc<Document>,
        run: &Run,
        terms: Terms,
        actor: Option<&Actor>,
    ) -> Result<Outcome, Abort> {
        let (settings, document, actor) = (settings.clone(), Arc::clone(document), actor.cloned());
        let progress = Arc::clone(&run.progress);
        let work = move |connection: &_, config: &_| {
            let mut outcome = apply::apply(connection, config, (id, &settings), &document, terms, &progress)?;
            if let (Some(actor), Outcome::Applied { summary, .. }) = (&actor, &outcome)
                && summary.is_news()
            {
                let Summary { added, changed, absent, .. } = **summary;
                let told = json!({ "added": added, "changed": changed, "absent": absent });
                let action = if terms.is_accepted { "playlist.accept" } else { "playlist.upload" };
                audit::note(connection, actor, action, object(id), [None, Some(told)])?;
            }
            let (Outcome::Unchanged(changed) | Outcome::Applied { changed, .. }) = &mut outcome;
            let changed = std::mem::take(changed);
            Ok::<_, Abort>((outcome, changed))
        };
        self.commit(work).await
    }

    /// Keeps a document for an admin to look at, unless it is there already.
    async fn hold(&self, id: PlaylistId, document: &Document, held: Held) -> Result<Refreshed, Refusal> {
        let code = held_code(held);
        let form = HeldForm::new(document, held);
        let (digest, file) = (document.digest, held_file(id));
        // The file first: a row that names a file which is not there could not be accepted.
        document.file.keep(&file).map_err(FetchError::from)?;
        let held = HeldDocument {
            at: now(),
            digest,
            reason: serde_json::to_string(&form).expect("it is made of texts and numbers"),
            is_acceptable: held.is_acceptable(),
            file,
        };
        let write = move |connection: &_| {
            let before = lineup::held(connection, id)?;
            // The same document again is no news.
            let is_news = before.is_none_or(|before| before.digest != held.digest);
            if is_news {
                lineup::hold(connection, id, &held)?;
            }
            Ok::<_, Error>(is_news)
        };
        if self.0.database.write(write).await? {
            self.0.events.publish(Event::PlaylistHeld { playlist: id.0, reason: code });
        }
        Err(Refusal::Held(form.message))
    }

    /// Tells how a reading went: the log, the status and the events.
    fn tell(
        &self,
        PlaylistId(id): PlaylistId,
        run: &Run,
        result: Result<Refreshed, Refusal>,
    ) -> Result<Refreshed, Refusal> {
        let events = &self.0.events;
        match &result {
            Ok(Refreshed::Unchanged) => run.ended(None),
            Ok(Refreshed::Applied(summary)) => {
                run.ended(None);
                let Summary { added, changed, absent, .. } = **summary;
                events.publish(Event::PlaylistRefreshed { playlist: id, added, changed, absent });
                info!(playlist = id, added, changed, absent, "playlist read");
            }
            Err(refusal) => {
                run.ended(Some(refusal.to_string()));
                // A held list has told so already, once and not with each refresh.
                if !matches!(refusal, Refusal::Held(_)) {
                    events.publish(Event::PlaylistFailed { playlist: id });
                }
                warn!(playlist = id, "the playlist was not taken: {refusal}");
            }
        }
        result
    }
}

const NOTHING_HELD: Refusal = Refusal::Nothing("no list of this playlist is held");

/// Why a document is held, and how it is read when it is accepted.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct HeldForm {
    pub(super) code: String,
    pub(super) message: String,
    is_panel: bool,
    is_whole: bool,
    base: Option<String>,
    charset: Option<String>,
    /// Whether a command on this machine sent it; none where nobody did.
    #[serde(default)]
    is_of_host: Option<bool>,
}

impl HeldForm {
    fn new(document: &Document, held: Held) -> Self {
        let (base, charset) = match &document.form {
            Form::List { base, charset } => (base.as_ref().map(ToString::to_string), charset.clone()),
            Form::Panel => (None, None),
        };
        Self {
            code: held_code(held).to_owned(),
            message: message(held),
            is_panel: document.form == Form::Panel,
            is_whole: document.is_whole,
            base,
            charset,
            is_of_host: document.given_by.map(|authority| authority == Authority::Host),
        }
    }

    fn given_by(&self) -> Option<Authority> {
        self.is_of_host.map(|is_of_host| if is_of_host { Authority::Host } else { Authority::Api })
    }

    fn form(&self) -> Form {
        if self.is_panel {
            return Form::Panel;
        }
        let base = self.base.as_deref().and_then(|base| base.parse().ok());
        Form::List { base, charset: self.charset.clone() }
    }
}

/// Why a document is held, for people.
fn message(held: Held) -> String {
    match held {
        Held::NotAList(Kind::Html) => "it is a web page and no list".to_owned(),
        Held::NotAList(Kind::HlsPlaylist) => "it is the HLS playlist of one channel and no list".to_owned(),
        Held::NotAList(Kind::Json) => "it is a JSON document and no list".to_owned(),
        Held::NotAList(_) => "it is no list".to_owned(),
        Held::Empty => "it has no channels".to_owned(),
        Held::CutShort => "it broke off before its end".to_owned(),
        Held::TooManyGone { gone, of } => format!("{gone} of {of} channels would go missing"),
    }
}

impl Terms {
    /// The usual ones.
    pub(super) fn now() -> Self {
        Self { now: now(), is_accepted: false, is_one_channel: false }
    }
}

fn now() -> UnixTime {
    UnixTime::from_seconds(Timestamp::now().as_second())
}

/// The name of the document of a playlist that is held.
pub(super) fn held_file(PlaylistId(id): PlaylistId) -> String {
    format!("{id}.held")
}

/// The word for why a document is held, and what it means.
pub fn reason_of(held: &HeldDocument) -> (String, String) {
    let form: Result<HeldForm, _> = serde_json::from_str(&held.reason);
    let unknown = || ("no_list".to_owned(), "it is no list".to_owned());
    form.map_or_else(|_| unknown(), |form| (form.code, form.message))
}
