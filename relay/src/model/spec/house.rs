//! What all channels of a house have in common.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::checker::Checker;
use crate::model::nearest::did_you_mean;
use crate::model::{Access, Policy, ProviderId, UrlPattern};

/// What channels are checked against: the defaults of all of them, and the providers that there
/// are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct House {
    /// The folder at which relative paths begin.
    pub folder: PathBuf,
    /// What holds where a channel says nothing.
    pub policy: Policy,
    /// The patterns of channels that say nothing of theirs.
    pub slate_urls: Arc<[UrlPattern]>,
    /// Whether its channels may name neither files of this machine nor addresses that are not on
    /// the internet: somebody else than the operator has written them.
    pub is_internet_only: bool,
    /// Whether its channels may name programs to run: they stand in the configuration.
    pub allows_programs: bool,
    pub(super) shared: HashMap<ProviderId, Shared>,
}

/// What the sources of a provider have in common, unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shared {
    pub(super) user_agent: Option<String>,
    pub(super) access: Access,
}

impl House {
    /// A house without providers, whose channels say nothing of their own.
    pub fn new(folder: PathBuf, policy: Policy, slate_urls: Arc<[UrlPattern]>) -> Self {
        let shared = HashMap::new();
        Self { folder, policy, slate_urls, is_internet_only: false, allows_programs: false, shared }
    }

    /// What the sources of a provider have in common.
    pub(super) fn shared(&self, id: &ProviderId) -> Option<&Shared> {
        self.shared.get(id)
    }

    /// The provider that a source names.
    pub(super) fn provider(&self, checker: &mut Checker, typed: Option<&String>) -> Option<ProviderId> {
        let id = checker.field("provider", typed, |text| text.parse::<ProviderId>())?;
        if !self.shared.contains_key(&id) {
            let mut known: Vec<&str> = self.shared.keys().map(ProviderId::as_str).collect();
            // A map has no order, and of two guesses that
            // are as near the same one must win each time.
            known.sort_unstable();
            let guess = did_you_mean(id.as_str(), &known);
            checker.fault("provider", format!("provider: there is no \"{id}\" in [[providers]]{guess}"));
        }
        Some(id)
    }
}
