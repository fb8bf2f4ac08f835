//! What comes over from another program, and what does not.

use std::fmt::{self, Write as _};

use forebay_core::lineup::m3u::Writer;
use forebay_core::lineup::{Entry, Origin};
use forebay_core::tuners::DeviceId;

use crate::accounts::secret::Secret;
use crate::cli::check::count;
use crate::db::users::UserSpec;

/// Channels that are shown one by one.
const SHOWN: usize = 40;

/// Everything that was found in another program.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Channels as they were edited there, in their order. They become one playlist, which is not
    /// read again.
    pub(super) channels: Vec<Channel>,
    /// Lists and accounts of providers, which are read again from time to time.
    pub(super) playlists: Vec<Playlist>,
    /// Who may watch.
    pub(super) users: Vec<Person>,
    /// The id of its tuner.
    pub(super) device: Option<DeviceId>,
    /// What does not come over, or not as it was: a line each.
    pub(super) differences: Vec<String>,
}

/// A channel. Texts are empty where there is nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) number: String,
    pub(super) name: String,
    pub(super) group: String,
    pub(super) logo: String,
    pub(super) guide_id: String,
    /// The addresses, the preferred one first.
    pub(super) sources: Vec<String>,
}

impl fmt::Debug for Channel {
    /// Without addresses, which hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, name, group, guide_id, sources, .. } = self;
        write!(f, "{number} | {name} | {group} | {guide_id} | {}", sources.len())
    }
}

/// A list or an account.
#[derive(Debug)]
pub(super) struct Playlist {
    pub(super) name: String,
    /// Where it is: a file, or an address with its credentials.
    pub(super) place: Secret,
    /// Whether it is an account at a panel.
    pub(super) is_panel: bool,
}

/// A user.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) spec: UserSpec,
    /// The password, where the other program tells it; else one is made up.
    pub(super) password: Option<Secret>,
}

impl Plan {
    /// Notes that so many of something do not come over, if there are any.
    pub(super) fn differ(&mut self, number: usize, noun: &str, what: &str) {
        if number > 0 {
            self.differences.push(format!("{}: {what}", count(number, noun)));
        }
    }

    /// The channels as a list, in which further addresses of a channel stand behind the first one.
    pub(super) fn list(&self) -> Result<String, fmt::Error> {
        let mut list = String::new();
        let mut entry = Entry::default();
        for channel in &self.channels {
            entry.clear();
            entry.set_title(&channel.name);
            let attributes = [
                ("tvg-id", &channel.guide_id),
                ("tvg-chno", &channel.number),
                ("tvg-logo", &channel.logo),
                ("group-title", &channel.group),
            ];
            for (key, value) in attributes.into_iter().filter(|(_, value)| !value.is_empty()) {
                entry.push(Origin::Attribute, key, value);
            }
            let mut sources = channel.sources.iter();
            entry.set_url(sources.next().map_or("", String::as_str));
            let mut writer = Writer::new(String::new(), None)?;
            writer.entry(&entry)?;
            let written = writer.into_inner();
            // Each writer begins a list of its own.
            list.push_str(if list.is_empty() { &written } else { written.trim_start_matches("#EXTM3U\n") });
            for source in sources {
                writeln!(list, "{source}")?;
            }
        }
        Ok(list)
    }

    /// What a person is told before anything is done. No address is in it.
    pub(super) fn describe(&self) -> String {
        let mut text = format!(
            "{}, {}, {}\n",
            count(self.channels.len(), "channel"),
            count(self.playlists.len(), "playlist"),
            count(self.users.len(), "user"),
        );
        for channel in self.channels.iter().take(SHOWN) {
            let Channel { number, name, group, guide_id, sources, .. } = channel;
            let guide = if guide_id.is_empty() { "no guide" } else { guide_id };
            let sources = count(sources.len(), "source");
            let _ = writeln!(text, "  {number:>6}  {name}  [{group}]  {guide}, {sources}");
        }
        if self.channels.len() > SHOWN {
            let _ = writeln!(text, "  … and {} more", self.channels.len() - SHOWN);
        }
        for Playlist { name, is_panel, .. } in &self.playlists {
            let kind = if *is_panel { "an account" } else { "a list" };
            let _ = writeln!(text, "  playlist {name}: {kind} that is read again from time to time");
        }
        for Person { spec, password } in &self.users {
            let role = format!("{:?}", spec.role).to_lowercase();
            let password = if password.is_some() { "with the password" } else { "with another password" };
            let limit = spec.max_streams.map(|most| format!(", {most} at once")).unwrap_or_default();
            let _ = writeln!(text, "  user {}: {role}, {password}{limit}", spec.name);
        }
        if let Some(device) = &self.device {
            let _ = writeln!(text, "  tuner {device}: --keep-device has the first tuner keep this id");
        }
        if !self.differences.is_empty() {
            text.push_str("Not as it was:\n");
            for line in &self.differences {
                let _ = writeln!(text, "  {line}");
            }
        }
        text
    }
}
