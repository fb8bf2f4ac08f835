//! What comes over from another program, and what does not.

use std::collections::HashSet;
use std::fmt::{self, Write as _};

use forebay_core::lineup::m3u::Writer;
use forebay_core::lineup::number::ChannelNumber;
use forebay_core::lineup::{Entry, Origin};
use forebay_core::tuners::DeviceId;
use serde_json::{Map, Value};

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
    /// The addresses of their guides.
    pub(super) guides: Vec<Secret>,
    /// The `User-Agent` with which they are asked for, where somebody has set one.
    pub(super) user_agent: Option<String>,
    /// Lists and accounts of providers.
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
    pub(super) gracenote_id: String,
    pub(super) is_adult: bool,
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
    /// Further settings, by their names in `[[playlists]]`.
    pub(super) settings: Map<String, Value>,
    /// What it is, for people.
    pub(super) what: String,
}

/// A user.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) spec: UserSpec,
    /// The password, where the other program tells it; else one is made up.
    pub(super) password: Option<Secret>,
}

impl Plan {
    /// Whether there is nothing that could come over.
    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.playlists.is_empty() && self.users.is_empty()
    }

    /// Notes that so many of something do not come over, if there are any.
    pub(super) fn differ(&mut self, number: usize, noun: &str, what: &str) {
        if number > 0 {
            self.differences.push(format!("{}: {what}", count(number, noun)));
        }
    }

    /// Notes what no list of ours can have as it was.
    pub(super) fn compare(&mut self) {
        let (mut numbers, mut groups) = (HashSet::new(), HashSet::new());
        let (mut without, mut again, mut apart) = (0, 0, 0);
        let mut last = None;
        for channel in &self.channels {
            match channel.number.parse::<ChannelNumber>() {
                Err(_) => without += 1,
                Ok(number) if !numbers.insert(number) => again += 1,
                Ok(_) => {}
            }
            let group = channel.group.as_str();
            // Lists of ours have the groups one behind the other.
            apart += usize::from(last != Some(group) && !groups.insert(group));
            last = Some(group);
        }
        self.differ(without, "channel", "has no number that players know, and gets one");
        self.differ(again, "channel", "its number is another one's, too: it gets the next that is free");
        self.differ(apart, "channel", "stands with the others of its group in lists; its number stays");
    }

    /// The channels as a list, in which further addresses of a channel stand behind the first one.
    pub(super) fn list(&self) -> Result<String, fmt::Error> {
        let guides: Vec<&str> = self.guides.iter().map(Secret::reveal).collect();
        let guides = Some(guides.join(",")).filter(|all| !all.is_empty());
        let mut writer = Writer::new(String::new(), guides.as_deref())?;
        let mut entry = Entry::default();
        for channel in &self.channels {
            entry.clear();
            entry.set_title(&channel.name);
            let attributes = [
                ("tvg-id", channel.guide_id.as_str()),
                ("tvg-chno", channel.number.as_str()),
                ("tvg-logo", channel.logo.as_str()),
                ("group-title", channel.group.as_str()),
                ("tvc-guide-stationid", channel.gracenote_id.as_str()),
                ("is_adult", if channel.is_adult { "1" } else { "" }),
            ];
            for (key, value) in attributes.into_iter().filter(|(_, value)| !value.is_empty()) {
                entry.push(Origin::Attribute, key, value);
            }
            let mut sources = channel.sources.iter();
            entry.set_url(sources.next().map_or("", String::as_str));
            writer.entry(&entry)?;
            for source in sources {
                writer.further_address(source)?;
            }
        }
        Ok(writer.into_inner())
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
        if !self.guides.is_empty() {
            let _ = writeln!(text, "  {} of these channels", count(self.guides.len(), "guide"));
        }
        for Playlist { name, what, .. } in &self.playlists {
            let _ = writeln!(text, "  playlist {name}: {what}");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(number: &str, group: &str) -> Channel {
        let sources = vec!["http://h/1".to_owned(), "http://h/2\nhttp://h/3".to_owned()];
        Channel {
            number: number.into(),
            name: "A".into(),
            group: group.into(),
            sources,
            ..Channel::default()
        }
    }

    #[test]
    fn what_no_list_can_have_is_told() {
        let channels = [("1", "News"), ("2", "Sport"), ("3", "News"), ("3", "Sport"), ("0", "Sport")];
        let channels = channels.map(|(number, group)| channel(number, group)).to_vec();
        let mut plan = Plan { channels, ..Plan::default() };
        plan.compare();
        let starts: Vec<&str> = plan.differences.iter().map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(
            starts,
            [
                "1 channel: has no number that players know",
                "1 channel: its number is another one's",
                "2 channels: stands with the others of its group in lists; its number stays",
            ]
        );
    }

    #[test]
    fn a_list_has_all_addresses_and_no_line_of_anybody_else() {
        let mut adult = channel("5", "\"X\"");
        adult.is_adult = true;
        let guides = ["http://g/1", "http://g/2"].map(|url| Secret::from(url.to_owned())).to_vec();
        let list = Plan { channels: vec![adult], guides, ..Plan::default() }.list().unwrap();
        assert_eq!(
            list,
            "#EXTM3U url-tvg=\"http://g/1,http://g/2\" x-tvg-url=\"http://g/1,http://g/2\"\n\
             #EXTINF:-1 tvg-chno=\"5\" group-title=\"'X'\" is_adult=\"1\",A\nhttp://h/1\nhttp://h/2 http://h/3\n"
        );
    }
}
