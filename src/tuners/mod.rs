//! The devices as which the channels are offered to programs that know HDHomeRun tuners: what they
//! are called, and how programs find them.

mod discovery;

use forebay_core::tuners::DeviceId;
use ring::rand::{SecureRandom as _, SystemRandom};

pub use self::discovery::{Discovery, Refused};
use crate::config::Config;
use crate::db::{Database, Error, tuners};

/// Tuners of a device where neither a setting nor a provider says how many.
const DEFAULT_TUNERS: u32 = 6;

/// The name of a device for ever, which it is given when somebody asks for it first; `None` where
/// no channel is on it.
pub async fn device_id(database: &Database, device: u32) -> Result<Option<DeviceId>, Error> {
    let read = move |connection: &_| {
        Ok::<_, Error>((tuners::device_id(connection, device)?, tuners::is_used(connection, device)?))
    };
    match database.read(read).await? {
        (Some(id), _) => Ok(Some(id)),
        (None, false) => Ok(None),
        (None, true) => {
            let mut random = [0; 4];
            SystemRandom::new().fill(&mut random).expect("the system gives random bytes");
            let id = DeviceId::of_random(u32::from_ne_bytes(random));
            database.write(move |connection| tuners::name_device(connection, device, &id)).await.map(Some)
        }
    }
}

/// Channels that a device plays at once, as programs are told: no more than the providers allow.
pub fn count(config: &Config) -> u32 {
    let of_providers = || {
        let all = config.providers.iter().map(|provider| provider.max_connections);
        all.reduce(u32::saturating_add)
    };
    config.hdhomerun.tuners.or_else(of_providers).unwrap_or(DEFAULT_TUNERS)
}
