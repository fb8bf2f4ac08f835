//! The channel that a variant is.

use std::sync::Arc;
use std::time::Duration;

use forebay_core::health::Rules;
use forebay_core::transcode::{Pictures, Profile};
use forebay_relay::model::{Channel, Policy, Source, SourceUrl};

/// How much longer than its channel a variant may take to begin: ffmpeg looks at the stream, and
/// encodes the first pictures.
const BEGIN: Duration = Duration::from_secs(10);

/// `base` through `profile`.
pub fn variant_of(base: &Channel, profile: &Profile) -> Channel {
    let id = base.id.variant(&profile.name);
    let policy = Policy {
        connect_timeout: base.policy.start_timeout + BEGIN / 2,
        start_timeout: base.policy.start_timeout + BEGIN,
        // What the channel sends is judged there.
        health: Rules::OFF,
        confirm_frozen: false,
        timeshift: None,
        hedge: None,
        return_after: None,
        ..base.policy
    };
    let source = Source::new(SourceUrl::variant(&id, &settings(profile)));
    Channel {
        name: format!("{} ({})", base.name, profile.name),
        number: None,
        group: base.group.clone(),
        logo: base.logo.clone(),
        tvg_id: base.tvg_id.clone(),
        program: None,
        priority: base.priority,
        policy,
        slate_urls: Arc::default(),
        sources: vec![source],
        id,
    }
}

/// All that matters of a profile, as text: with another one the variant has another source.
fn settings(profile: &Profile) -> String {
    let sound = profile.sound_bitrate;
    match &profile.pictures {
        Pictures::Copy => format!("copy,{sound}"),
        Pictures::Encode(it) => {
            let rate = it.frame_rate.unwrap_or_default();
            format!("{},{},{rate},{},{},{sound}", it.height, it.bitrate, it.preset, it.threads)
        }
    }
}
