//! Rules of a playlist in the words of the API, and as they are kept.

use forebay_core::lineup::rules::{Action, Rule, RuleError, Rules, Subject, Test};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::Error;
use crate::db::lineup::{self, PlaylistId};

/// A rule. It finds entries by one of `is`, `contains` and `matches`, and all of them without any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    /// What is looked at: `name`, `group`, `tvg_id` or `url`; the name unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// This text and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
    /// This text, anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// What this pattern matches: a regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// `include`, `exclude`, `rename`, `set_group`, `number` or `set_adult`.
    pub action: String,
    /// To rename: what is put in the place of what was found. To set the group: the group. `$1` is
    /// the first group of the pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// To number: the first number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u32>,
    /// To number: the last number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u32>,
    /// To set the mark for adults: whether it is for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adult: Option<bool>,
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongRule {
    /// Its place, from 0; none where all of them together are wrong.
    pub at: Option<usize>,
    /// The field that is wrong; empty where it is the rule.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
}

impl RuleDocument {
    fn rule(&self) -> Result<Rule, (&'static str, String)> {
        let subject = match self.field.as_deref() {
            None | Some("name") => Subject::Name,
            Some("group") => Subject::Group,
            Some("tvg_id") => Subject::GuideId,
            Some("url") => Subject::Url,
            Some(_) => return Err(("field", "expected name, group, tvg_id or url".to_owned())),
        };
        let test = match (&self.is, &self.contains, &self.matches) {
            (None, None, None) => Test::Any,
            (Some(text), None, None) => Test::Is(text.clone()),
            (None, Some(text), None) => Test::Contains(text.clone()),
            (None, None, Some(pattern)) => Test::Matches(pattern.clone()),
            _ => return Err(("", "only one of is, contains and matches can be given".to_owned())),
        };
        Ok(Rule { subject, test, action: self.action()? })
    }

    fn action(&self) -> Result<Action, (&'static str, String)> {
        let missing = |field: &'static str| (field, format!("{field} is missing"));
        Ok(match &*self.action {
            "include" => Action::Include,
            "exclude" => Action::Exclude,
            "rename" => Action::Rename(self.to.clone().unwrap_or_default()),
            "set_group" => Action::SetGroup(self.to.clone().ok_or_else(|| missing("to"))?),
            "number" => {
                let (from, until) = (self.from.ok_or_else(|| missing("from"))?, self.until);
                Action::Number(from..=until.unwrap_or(forebay_core::lineup::number::MAX_NUMBER))
            }
            "set_adult" => Action::SetAdult(self.adult.unwrap_or(true)),
            _ => {
                let message = "expected include, exclude, rename, set_group, number or set_adult";
                return Err(("action", message.to_owned()));
            }
        })
    }
}

/// Checks rules as users write them.
pub fn check(documents: &[RuleDocument]) -> Result<Rules, WrongRule> {
    let rule = |(at, document): (usize, &RuleDocument)| {
        document.rule().map_err(|(field, message)| WrongRule { at: Some(at), field, message })
    };
    let rules: Vec<Rule> = documents.iter().enumerate().map(rule).collect::<Result<_, _>>()?;
    Rules::new(&rules).map_err(|error| {
        let (at, field) = match &error {
            RuleError::TooMany { .. } => (None, ""),
            RuleError::Pattern { at, .. } => (Some(*at), "matches"),
            RuleError::RenamesOther { at } => (Some(*at), "field"),
            RuleError::Range { at } => (Some(*at), "from"),
        };
        WrongRule { at, field, message: error.to_string() }
    })
}

/// The rules of a playlist as users wrote them.
pub fn documents(connection: &Connection, playlist: PlaylistId) -> Result<Vec<RuleDocument>, Error> {
    let read = |text: &String| serde_json::from_str(text).map_err(|_| damaged(playlist));
    lineup::rules(connection, playlist)?.iter().map(read).collect()
}

/// The rules of a playlist.
pub(super) fn stored(connection: &Connection, playlist: PlaylistId) -> Result<Rules, Error> {
    check(&documents(connection, playlist)?).map_err(|_| damaged(playlist))
}

/// Keeps rules that were checked.
pub(super) fn store(
    connection: &Connection,
    playlist: PlaylistId,
    documents: &[RuleDocument],
) -> Result<(), Error> {
    let text = |document| serde_json::to_string(document).expect("it is made of texts and numbers");
    lineup::set_rules(connection, playlist, &documents.iter().map(text).collect::<Vec<_>>())
}

fn damaged(PlaylistId(id): PlaylistId) -> Error {
    Error::Damaged(format!("playlist {id}: its rules cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        let documents: Vec<RuleDocument> = serde_json::from_str(text).unwrap();
        let WrongRule { at, field, message } = check(&documents).unwrap_err();
        format!("{at:?} {field}: {message}")
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            (r#"[{"action":"jump"}]"#, "Some(0) action: expected include, "),
            (r#"[{"action":"include","field":"age"}]"#, "Some(0) field: expected name, "),
            (r#"[{"action":"include","is":"a","contains":"b"}]"#, "Some(0) : only one of"),
            (r#"[{"action":"include"},{"action":"set_group"}]"#, "Some(1) to: to is missing"),
            (r#"[{"action":"number"}]"#, "Some(0) from: from is missing"),
            (r#"[{"action":"number","from":5,"until":4}]"#, "Some(0) from: rule 1: a range"),
            (r#"[{"action":"exclude","matches":"("}]"#, "Some(0) matches: rule 1: the pattern"),
            (r#"[{"action":"rename","field":"group","is":"a"}]"#, "Some(0) field: rule 1: only a rule"),
        ] {
            let error = wrong(text);
            assert!(error.starts_with(expected), "{error}");
        }
        let many = vec![RuleDocument { action: "include".to_owned(), ..RuleDocument::default() }; 501];
        assert_eq!(check(&many).unwrap_err().at, None);
    }

    #[test]
    fn every_action_can_be_written() {
        let text = r#"[
            {"field":"group","is":"VOD","action":"exclude"},
            {"contains":"news","action":"include"},
            {"matches":"^UK: *","action":"rename"},
            {"field":"tvg_id","matches":"\\.(\\w+)$","action":"set_group","to":"$1"},
            {"field":"url","contains":"/live/","action":"number","from":100},
            {"action":"set_adult","adult":false}
        ]"#;
        assert!(check(&serde_json::from_str::<Vec<_>>(text).unwrap()).is_ok());
    }
}
