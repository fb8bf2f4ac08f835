//! The programmes of a channel, as panels tell them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_core::guide::Tag;
use forebay_core::guide::details::Details;
use forebay_core::guide::document::id as guide_id;
use forebay_relay::channel::ListedChannel;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::db::listing::Entry;
use crate::guide::{Airing, Wanted};
use crate::http::State;
use crate::http::epg::{DAY, MAX_PROGRAMMES, programmes_of};
use crate::http::error::ApiError;
use crate::http::query::Query;
use crate::http::sight::Sight;

/// What `get_short_epg` and `get_simple_data_table` of panels answer: the programmes from now on,
/// four unless told, or all that there are.
pub(super) async fn listings(
    state: &State,
    sight: &Sight,
    query: &Query,
    is_short: bool,
) -> Result<Value, ApiError> {
    let stream = query.value("stream_id").unwrap_or_default();
    let found = state.catalogue.find_by_id_or_number(&stream).await?;
    let nothing = json!({ "epg_listings": [] });
    let Some(ListedChannel { channel, .. }) = found else { return Ok(nothing) };
    let entry = Entry::from(&*channel);
    if !sight.sees(&entry) {
        return Ok(nothing);
    }
    let at = Timestamp::now().as_second();
    let limit = query.parsed("limit").filter(|&limit| limit > 0).unwrap_or(4).min(MAX_PROGRAMMES);
    let wanted = if is_short {
        Wanted { from: at, to: at + 14 * DAY, is_from_running: true, limit }
    } else {
        Wanted { from: at - 14 * DAY, to: at + 14 * DAY, is_from_running: false, limit: MAX_PROGRAMMES }
    };
    let id = stream.parse().map_or_else(|_| channel.id.as_str().to_owned(), guide_id);
    let stream = stream.into_owned();
    let (kept, days) = (state.channels.kept(&channel.id), channel.provider_archive_days());
    let listings = move |all: &[Airing]| -> Vec<Value> {
        // Where several are not over, the one that began last is on.
        let is_on = |it: &&Airing| it.start.seconds() <= at && at < it.stop.seconds();
        let on = all.iter().rfind(is_on).map(|it| it.start);
        let has_archive = |it: &Airing| has_archive(it, &kept) || has_provider(it, days, at);
        let flags = |it: &Airing| Flags { is_on: on == Some(it.start), has_archive: has_archive(it) };
        all.iter().map(|it| listing(it, (&stream, &id), flags(it))).collect()
    };
    let (listings, _) = programmes_of(state, channel.id.as_str().to_owned(), wanted, listings).await?;
    Ok(json!({ "epg_listings": listings }))
}

/// Whether anything of a programme is kept. A channel has holes where nobody has watched it: a
/// player that offers what is not there lets its user down.
fn has_archive(airing: &Airing, kept: &[(SystemTime, SystemTime)]) -> bool {
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    let (start, stop) = (at(airing.start.seconds()), at(airing.stop.seconds()));
    kept.iter().any(|&(from, until)| from < stop && start < until)
}

/// Whether the provider's archive, which reaches so many days back, may have all of a programme, or
/// what has been shown of it.
fn has_provider(airing: &Airing, days: Option<u32>, now: i64) -> bool {
    let start = airing.start.seconds();
    days.is_some_and(|days| (now - i64::from(days) * DAY..now).contains(&start))
}

/// What is true of a programme now.
#[derive(Debug, Clone, Copy)]
struct Flags {
    is_on: bool,
    has_archive: bool,
}

/// A programme as panels tell it: texts in Base64, and numbers as texts but for the flags.
fn listing(airing: &Airing, (stream, channel_id): (&str, &str), flags: Flags) -> Value {
    let details = Details::read_programme(&airing.body);
    let encoded = |tag| STANDARD.encode(details.texts(tag).next().unwrap_or_default());
    let (start, stop) = (airing.start.seconds(), airing.stop.seconds());
    let local = |seconds| {
        let at = Timestamp::from_second(seconds).unwrap_or_default();
        at.strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    let language = details.first(Tag::Title).and_then(|it| it.attribute("lang")).unwrap_or_default();
    json!({
        "id": start.to_string(),
        "epg_id": stream,
        "title": encoded(Tag::Title),
        "lang": language,
        "start": local(start),
        "end": local(stop),
        "stop": local(stop),
        "description": encoded(Tag::Desc),
        "channel_id": channel_id,
        "start_timestamp": start.to_string(),
        "stop_timestamp": stop.to_string(),
        "now_playing": u8::from(flags.is_on),
        "has_archive": u8::from(flags.has_archive),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_core::lineup::UnixTime;

    #[test]
    fn rule_31_listings_have_the_types_of_panels() {
        let airing = Airing {
            start: UnixTime::from_seconds(1_735_732_800),
            stop: UnixTime::from_seconds(1_735_736_400),
            body: "><title lang=\"en\">News é</title></programme>\n".to_owned(),
        };
        assert_eq!(
            listing(&airing, ("5", "c00000005.forebay"), Flags { is_on: true, has_archive: false }),
            json!({
                "id": "1735732800", "epg_id": "5", "title": "TmV3cyDDqQ==", "lang": "en",
                "start": "2025-01-01 12:00:00", "end": "2025-01-01 13:00:00", "stop": "2025-01-01 13:00:00",
                "description": "", "channel_id": "c00000005.forebay", "start_timestamp": "1735732800",
                "stop_timestamp": "1735736400", "now_playing": 1, "has_archive": 0,
            })
        );
    }

    #[test]
    fn a_programme_has_an_archive_where_something_of_it_is_kept() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let airing = Airing {
            start: UnixTime::from_seconds(1000),
            stop: UnixTime::from_seconds(2000),
            body: String::new(),
        };
        for (kept, expected) in [
            (&[][..], false),
            (&[(at(0), at(1000)), (at(2000), at(3000))], false),
            (&[(at(0), at(10)), (at(1900), at(3000))], true),
            (&[(at(900), at(1001))], true),
            (&[(at(1400), at(1500))], true),
        ] {
            assert_eq!(has_archive(&airing, kept), expected, "{kept:?}");
        }
        for (days, now, expected) in [
            (None, 1500, false),
            (Some(1), 1000, false),
            (Some(1), 1001, true),
            (Some(1), 1000 + DAY, true),
            (Some(1), 1001 + DAY, false),
            (Some(2), 1001 + DAY, true),
        ] {
            assert_eq!(has_provider(&airing, days, now), expected, "{days:?} {now}");
        }
        assert_eq!(listing(&airing, ("5", "x"), Flags { is_on: false, has_archive: true })["has_archive"], 1);
    }
}
