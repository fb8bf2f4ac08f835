//! A [`Model`] of a player of whole segments, over HTTP and in real time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use url::Url;

use super::Verdict;
use super::model::{Model, Rules};
use crate::client::Request;

const SECOND: Duration = Duration::from_secs(1);

/// How often it looks whether there is something to fetch.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// What is known of a list: where each of its segments is, by its number.
type Known = BTreeMap<u64, Url>;

/// Plays the playlist at `url`, or the first variant of it, and calls itself `agent`, for this many seconds from its
/// first picture on; that may take as long as `within`.
///
/// # Panics
/// If `url` is none, or the model plays segments before they are whole.
pub async fn simulated(url: &str, rules: Rules, agent: &str, seconds: u32, within: Duration) -> Verdict {
    assert!(!rules.is_streaming(), "segments are fetched whole");
    let url: Url = url.parse().unwrap_or_else(|error| panic!("{url} is no URL: {error}"));
    let (model, known) = (RefCell::new(Model::new(rules)), RefCell::new(Known::new()));
    let began = Instant::now();
    let ended = tokio::select! {
        fault = ask(&url, agent, began, &model, &known) => Some(fault),
        fault = fetch(agent, began, &model, &known) => Some(fault),
        () = play(began, seconds, within, &model) => None,
    };
    let (now, model) = (began.elapsed(), model.into_inner());
    let stood = model.stood(now);
    let mut errors: Vec<String> = ended.into_iter().collect();
    errors.extend((!stood.is_zero()).then(|| format!("it stood still for {stood:.1?}")));
    errors.extend(model.began().is_none().then(|| "nothing was played".to_owned()));
    Verdict {
        ok: errors.is_empty(),
        errors,
        seconds: model.began().map_or(0.0, |first| now.saturating_sub(first + stood).as_secs_f64()),
        first: model.began(),
        stood,
        ..Verdict::default()
    }
}

async fn play(began: Instant, seconds: u32, within: Duration, model: &RefCell<Model>) {
    let ends = |first: Option<Duration>| first.map_or(within, |first| first + SECOND * seconds);
    while began.elapsed() < ends(model.borrow().began()) {
        sleep(CHECK_INTERVAL).await;
    }
}

/// Asks for the list as often as the model does, until something goes wrong.
async fn ask(
    url: &Url,
    agent: &str,
    began: Instant,
    model: &RefCell<Model>,
    known: &RefCell<Known>,
) -> String {
    let mut url = url.clone();
    loop {
        let text = match get(&url, agent).await {
            Ok(body) => String::from_utf8_lossy(&body).into_owned(),
            Err(fault) => return fault,
        };
        if text.contains("#EXT-X-STREAM-INF:") {
            url =
                segments(&url, &text).into_values().next().expect("a multivariant playlist names a variant");
            continue;
        }
        let wait = model.borrow_mut().take(began.elapsed(), &text);
        known.borrow_mut().extend(segments(&url, &text));
        sleep(wait).await;
    }
}

/// Fetches one segment after the other, until something goes wrong.
async fn fetch(agent: &str, began: Instant, model: &RefCell<Model>, known: &RefCell<Known>) -> String {
    loop {
        let next = model.borrow().next();
        let Some((number, media)) = next else {
            sleep(CHECK_INTERVAL).await;
            continue;
        };
        let url = known.borrow().get(&number).cloned().expect("the model knows what was listed");
        if let Err(fault) = get(&url, agent).await {
            return fault;
        }
        model.borrow_mut().complete(began.elapsed(), media);
    }
}

async fn get(url: &Url, agent: &str) -> Result<Vec<u8>, String> {
    let address = url.socket_addrs(|| None).ok().and_then(|found| found.first().copied());
    let address = address.ok_or_else(|| format!("{url} has no address"))?;
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let answer = Request::get(address, &path).header("User-Agent", agent).send().await;
    match answer {
        Ok(answer) if answer.status == 200 => Ok(answer.body),
        Ok(answer) => Err(format!("{url} is {}: {}", answer.status, answer.text())),
        Err(error) => Err(format!("{url}: {error}")),
    }
}

/// The segments or variants of a list at `url`, by their numbers.
fn segments(url: &Url, text: &str) -> Known {
    let first = text.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")?.parse().ok());
    let names = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    (first.unwrap_or(0)..).zip(names.filter_map(|name| url.join(name).ok())).collect()
}
