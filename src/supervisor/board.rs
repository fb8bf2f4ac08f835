//! Shows how each service is doing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// How a service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It runs.
    Healthy,
    /// It has failed, and is started again after a pause.
    Restarting,
    /// It has failed, and the program ends.
    Failed,
}

/// Where the health of all services is written down and read. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<&'static str, Health>>>);

impl Board {
    /// Writes down the health of a service.
    pub fn set(&self, service: &'static str, health: Health) {
        self.services().insert(service, health);
    }

    /// The health of each service, by name.
    pub fn read(&self) -> BTreeMap<&'static str, Health> {
        self.services().clone()
    }

    fn services(&self) -> MutexGuard<'_, BTreeMap<&'static str, Health>> {
        // Each change is one insertion: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
