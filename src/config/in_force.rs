//! The configuration in force, as all who need it share it.

use std::sync::{Arc, PoisonError, RwLock};

use super::Config;

/// Cloning is cheap, and each clone sees the next configuration.
#[derive(Debug, Clone)]
pub struct InForce(Arc<RwLock<Arc<Config>>>);

impl InForce {
    /// Begins with this one.
    pub fn new(config: Arc<Config>) -> Self {
        Self(Arc::new(RwLock::new(config)))
    }

    /// The one in force now.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another one in force, and returns the one that was.
    pub fn replace(&self, config: Arc<Config>) -> Arc<Config> {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), config)
    }
}
