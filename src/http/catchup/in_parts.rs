//! What a channel's provider has kept as an HLS playlist: a segment for each minute, which is asked
//! of the archive when a player wants it.
//!
//! Panels keep their archives in files of a minute, so these follow each other without a seam.
//! Other archives are cut near it. An archive that cannot be told where to end has no such parts.

use std::fmt::Write as _;
use std::ops::Range;

use axum::response::Response;
use forebay_relay::channel::Rendered;
use forebay_relay::model::Channel;
use forebay_relay::provider_archives::may_have;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::playlist;
use super::provider::admit;
use super::stretch::Stretch;
use crate::http::State;
use crate::http::error::ApiError;
use crate::http::extract::Client;

/// How long a part is, in seconds.
const PART: i64 = 60;

/// What stands before and behind the beginning of a part in its name.
const NAME: (&str, &str) = ("utc-", ".ts");

/// The part that a segment's name names, if it names one.
pub(super) fn part_of(name: &str) -> Option<Stretch> {
    let start = name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?;
    Stretch::of_panel(start, "1").ok()
}

/// Whether the provider's archive of a stretch can be had in parts; else says why not.
pub(super) fn check(channel: &Channel, stretch: Stretch) -> Result<(), ApiError> {
    if may_have(channel, stretch.of_provider(Timestamp::now().as_second()), true) {
        return Ok(());
    }
    let message = "the provider's archive of this channel cannot be told where to end, and so can only \
                   be had as MPEG-TS: use the address that ends in .ts";
    Err(ApiError::new(StatusCode::CONFLICT, "not_in_parts", message))
}

/// The playlist of a stretch. Nothing is opened for it.
pub(super) async fn playlist_of(
    state: &State,
    channel: &Channel,
    stretch: Stretch,
    client: &Client,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    check(channel, stretch)?;
    let _viewer = admit(state, channel, client).await?;
    let carried = client.watching.carried.query();
    let render = || {
        let minutes = minutes(stretch, Timestamp::now().as_second()).ok_or_else(|| stretch.nowhere())?;
        Ok(move || {
            let tag = format!("utc-{}-{}", minutes.start, minutes.end);
            Rendered::written(render(minutes, &carried), tag)
        })
    };
    playlist::answer(state, headers, render).await
}

/// The minutes of a stretch that are over, by their numbers; `None` where not even one is.
fn minutes(stretch: Stretch, now: i64) -> Option<Range<i64>> {
    let stretch = stretch.of_provider(now);
    // Whole minutes, since panels know no others.
    let first = stretch.start.div_euclid(PART);
    let until = (stretch.end.min(now) + PART - 1).div_euclid(PART).min(now.div_euclid(PART));
    (first < until).then_some(first..until)
}

fn render(minutes: Range<i64>, carried: &str) -> String {
    let mut text =
        format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{PART}\n#EXT-X-PLAYLIST-TYPE:VOD\n");
    let first = minutes.start;
    for minute in minutes {
        if minute > first {
            // Each may have a clock of its own.
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let at = minute * PART;
        let date = Timestamp::from_second(at).unwrap_or_default();
        let _ =
            write!(text, "#EXT-X-PROGRAM-DATE-TIME:{date}\n#EXTINF:{PART},\nhls/{}{at}{}", NAME.0, NAME.1);
        if !carried.is_empty() {
            let _ = write!(text, "?{carried}");
        }
        text.push('\n');
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_has_the_whole_minutes_that_are_over() {
        let stretch = |minutes| Stretch::of_panel("1769884220", minutes).unwrap();
        let names = |minutes, now| -> Vec<i64> {
            let text = super::minutes(stretch(minutes), now).map(|minutes| render(minutes, ""));
            let text = text.unwrap_or_default();
            let names = text.lines().filter_map(|line| line.strip_prefix("hls/utc-")?.strip_suffix(".ts"));
            names.map(|name| name.parse().unwrap()).collect()
        };
        let (first, later) = (1_769_884_200, 1_769_970_620);
        assert_eq!(names("2", later), [first, first + 60, first + 120]);
        assert_eq!(names("60", first + 150), [first, first + 60], "a minute that is not over has no end");
        assert_eq!(names("60", first + 59), [0; 0]);
        let text = render(minutes(stretch("1"), later).unwrap(), "token=abc");
        assert!(
            text.contains("hls/utc-1769884260.ts?token=abc\n") && text.ends_with("#EXT-X-ENDLIST\n"),
            "{text}"
        );
        assert!(text.contains("#EXT-X-PROGRAM-DATE-TIME:2026-01-31T18:30:00Z\n"), "{text}");
        let part = part_of("utc-1769884260.ts").map(|part| (part.start, part.length.as_secs()));
        assert_eq!(part, Some((1_769_884_260, 60)));
        for other in ["segment_5.ts", "utc-.ts", "utc-soon.ts", "utc-5"] {
            assert_eq!(part_of(other), None, "{other}");
        }
    }
}
