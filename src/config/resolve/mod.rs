//! From what was typed to what it means: every check, each with its place.

mod auth;
mod backups;
mod films;
mod hdhomerun;
mod oidc;
mod places;
mod pushes;
mod resolver;
mod secret;
mod server;
mod tls;
mod tokens;
mod transcode;
mod webhooks;

use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use forebay_relay::error::reason;
use forebay_relay::model::{
    Checker, FieldError, FieldPath, House, Policy, Provider, ProviderSpec, SourceSpec, SourceUrl, Spec,
};
use forebay_relay::push::Push;

use self::places::Places;
use super::environment::{Environment, Set, fault};
use super::error::Error;
use super::file::File;
use super::{Config, DataDir, GuideSpec, PlaylistSpec, Webhook};

/// What is checked, for the places of faults in it.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) whole: &'a str,
    /// The file, as it was named.
    pub(super) path: &'a Path,
    /// What does not stand in it.
    pub(super) set: &'a [Set],
}

/// Checks a whole file.
pub(super) fn resolve(file: &File, text: Text<'_>) -> Result<Config, Error> {
    let path = text.path;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let (mut checker, mut taken) = (Checker::default(), Vec::new());
    let (server, log) = (file.server.clone().unwrap_or_default(), file.log.clone().unwrap_or_default());
    let server = checker.within("server", |checker| server::server(checker, &server, folder));
    let auth = file.auth.clone().unwrap_or_default();
    let auth = checker.within("auth", |checker| auth::auth(checker, &auth));
    let oidc = file.oidc.as_ref();
    let oidc = oidc.and_then(|typed| checker.within("oidc", |checker| oidc::oidc(checker, typed, folder)));
    let log = checker.within("log", |checker| server::log(checker, &log, folder));
    let hls_file = file.hls.clone().unwrap_or_default();
    let (hls, hls_dir) = checker
        .within("hls", |checker| (hls_file.check(checker), checker.words("dir", hls_file.dir.as_ref())));
    let data = file.data.clone().unwrap_or_default();
    let data_dir = checker.within("data", |checker| checker.words("dir", data.dir.as_ref()));
    let tokens = file.tokens.clone().unwrap_or_default();
    let tokens = checker.within("tokens", |checker| tokens::tokens(checker, &tokens));
    let hdhomerun = file.hdhomerun.clone().unwrap_or_default();
    let hdhomerun = checker.within("hdhomerun", |checker| hdhomerun::hdhomerun(checker, &hdhomerun));
    let films = checker.within("films", |checker| films::films(checker, file.films.as_ref(), folder));
    let resolver = checker.within("resolver", |checker| {
        resolver::resolver(checker, file.resolver.as_ref(), folder, server.allow_private_sources)
    });
    let stream = file.stream.clone().unwrap_or_default();
    let mut house = checker.within("stream", |checker| {
        let policy = stream.check(checker, &Policy { hls, ..Policy::default() });
        House::new(folder.to_owned(), policy, stream.check_slate_urls(checker).unwrap_or_default())
    });
    let providers = checker.within("providers", |checker| providers(checker, file, &mut house, &mut taken));
    let playlists = checker.within("playlists", |checker| playlists(checker, file, &house, &mut taken));
    let guides = checker.within("guides", |checker| guides(checker, file, &house, &mut taken));
    let pushes = checker.within("pushes", |checker| pushes(checker, file, folder, &mut taken));
    let transcode = transcode::transcode(&mut checker, file);
    let webhooks = checker.within("webhooks", |checker| webhooks(checker, file, folder, &mut taken));
    let data_path = folder.join(data_dir.as_deref().unwrap_or("data"));
    let backups = file.backups.clone().unwrap_or_default();
    let backups =
        checker.within("backups", |checker| backups::backups(checker, &backups, folder, &data_path));
    // Here and nowhere else.
    let mut of_channels = house.clone();
    of_channels.allows_programs = true;
    let channels = checker.within("channels", |checker| {
        let (mut ids, mut numbers) = (HashMap::new(), HashMap::new());
        let all = file.channels.iter().flatten().enumerate();
        all.filter_map(|(at, spec)| {
            checker.within(at, |checker| {
                let channel = spec.check_with(checker, &of_channels)?;
                check_files(checker, spec, folder);
                let place = |key: &'static str| checker.path().to(key);
                taken.extend(unique(&mut ids, channel.id.clone(), place("id"), |id| {
                    format!("the id \"{id}\"")
                }));
                if let Some(number) = channel.number {
                    let number = unique(&mut numbers, number, place("number"), |number| {
                        format!("the number {number}")
                    });
                    taken.extend(number);
                }
                Some(Arc::new(channel))
            })
        })
        .collect()
    });
    refuse(checker.into_errors(), taken, text)?;
    let hls_dir = folder.join(hls_dir.unwrap_or_else(|| "hls_cache".to_owned()));
    let data = DataDir { is_configured: data_dir.is_some(), path: data_path };
    Ok(Config {
        path: path.into(),
        environment: Environment::default(),
        server,
        auth,
        oidc,
        tokens,
        hdhomerun,
        log,
        data,
        hls_dir,
        films,
        resolver,
        house,
        providers,
        playlists,
        guides,
        pushes,
        transcode,
        webhooks,
        backups,
        channels,
    })
}

/// `[[providers]]`; what stands there twice goes to `taken`.
fn providers(checker: &mut Checker, file: &File, house: &mut House, taken: &mut Vec<Taken>) -> Vec<Provider> {
    let mut ids = HashMap::new();
    let check = |(at, spec): (usize, &ProviderSpec)| {
        checker.within(at, |checker| {
            let provider = spec.check(checker, house)?;
            let place = checker.path().to("id");
            taken.extend(unique(&mut ids, provider.id.clone(), place, |id| format!("the provider \"{id}\"")));
            Some(provider)
        })
    };
    file.providers.iter().flatten().enumerate().filter_map(check).collect()
}

/// `[[playlists]]`; what stands there twice goes to `taken`.
fn playlists(checker: &mut Checker, file: &File, house: &House, taken: &mut Vec<Taken>) -> Vec<PlaylistSpec> {
    let (mut ids, mut names) = (HashMap::new(), HashMap::new());
    for (at, spec) in file.playlists.iter().flatten().enumerate() {
        checker.within(at, |checker| {
            let Some(id) = spec.id.clone() else {
                return checker.fault("id", "this playlist has no id");
            };
            let place = |key: &'static str| checker.path().to(key);
            taken.extend(unique(&mut ids, id, place("id"), |id| format!("the id \"{id}\"")));
            let (name, shown) = (place("name"), |name: &String| format!("the name \"{name}\""));
            if let Some(playlist) = spec.check_with(checker, house) {
                taken.extend(unique(&mut names, playlist.name, name, shown));
            }
        });
    }
    file.playlists.clone().unwrap_or_default()
}

/// `[[webhooks]]`; what stands there twice goes to `taken`.
fn webhooks(checker: &mut Checker, file: &File, folder: &Path, taken: &mut Vec<Taken>) -> Vec<Webhook> {
    let (mut ids, mut all) = (HashMap::new(), Vec::new());
    for (at, typed) in file.webhooks.iter().flatten().enumerate() {
        let found = checker.within(at, |checker| webhooks::webhook(checker, typed, folder));
        let Some((webhook, place)) = found else { continue };
        taken.extend(unique(&mut ids, webhook.id.clone(), place, |id| format!("the webhook \"{id}\"")));
        all.push(webhook);
    }
    all
}

/// `[[guides]]`; what stands there twice goes to `taken`.
fn guides(checker: &mut Checker, file: &File, house: &House, taken: &mut Vec<Taken>) -> Vec<GuideSpec> {
    let mut ids = HashMap::new();
    for (at, spec) in file.guides.iter().flatten().enumerate() {
        checker.within(at, |checker| {
            let Some(id) = spec.id.clone() else {
                return checker.fault("id", "this guide has no id");
            };
            let place = checker.path().to("id");
            taken.extend(unique(&mut ids, id, place, |id| format!("the id \"{id}\"")));
            spec.check_with(checker, house);
        });
    }
    file.guides.clone().unwrap_or_default()
}

/// `[[pushes]]`; what stands there twice goes to `taken`.
fn pushes(checker: &mut Checker, file: &File, folder: &Path, taken: &mut Vec<Taken>) -> Vec<Push> {
    let (mut ids, mut pushes) = (HashMap::new(), Vec::new());
    for (at, typed) in file.pushes.iter().flatten().enumerate() {
        let Some((push, place)) = checker.within(at, |checker| pushes::push(checker, typed, folder)) else {
            continue;
        };
        taken.extend(unique(&mut ids, push.id.clone(), place, |id| format!("the push \"{id}\"")));
        pushes.push(push);
    }
    pushes
}

/// Whether the files among the sources can be read.
fn check_files(checker: &mut Checker, spec: &Spec, folder: &Path) {
    checker.within("sources", |checker| {
        for (at, source) in spec.sources.iter().flatten().enumerate() {
            let (url, key) = match source {
                SourceSpec::Url(url) => (Some(url), None),
                SourceSpec::Fields(fields) => (fields.url.as_ref(), Some("url")),
            };
            let Some(Ok(url)) = url.map(|url| SourceUrl::parse(&url.0, folder)) else { continue };
            let Err(error) = url.check() else { continue };
            let path = url.file_path().unwrap_or_default();
            let message = format!("source: cannot read {}: {}", path.display(), reason(&error));
            match key {
                None => checker.fault(at, message),
                Some(key) => checker.within(at, |checker| checker.fault(key, message)),
            }
        }
    });
}

/// What only one thing may have, and another has already.
struct Taken {
    place: FieldPath,
    first: FieldPath,
    what: String,
}

/// Remembers where `value` stands, or says where it stood first.
fn unique<T: Hash + Eq>(
    seen: &mut HashMap<T, FieldPath>,
    value: T,
    place: FieldPath,
    shown: impl FnOnce(&T) -> String,
) -> Option<Taken> {
    if let Some(first) = seen.get(&value) {
        return Some(Taken { place, first: first.clone(), what: shown(&value) });
    }
    seen.insert(value, place);
    None
}

/// The error, if there is one. Only then it is looked up where things stand.
fn refuse(errors: Vec<FieldError>, taken: Vec<Taken>, text: Text<'_>) -> Result<(), Error> {
    if errors.is_empty() && taken.is_empty() {
        return Ok(());
    }
    let mut places = Places::of(text.whole);
    let mut of_variables = Vec::new();
    for FieldError { path, message } in errors {
        match text.set.iter().find(|set| path.begins_with(&set.path)) {
            Some(set) => of_variables.push(fault(&set.variable, message)),
            None => places.fault(&path, message),
        }
    }
    for Taken { place, first, what } in taken {
        let line = places.line(&first);
        places.fault(&place, format!("{what} is taken: line {line} uses it first"));
    }
    match places.into_faults().into_result(text.whole, text.path) {
        Err(error) => Err(error.behind(of_variables)),
        Ok(()) => Err(Error::of(of_variables)),
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("\"{text}\" is not an IP address and a port such as \"0.0.0.0:8080\" or \"[::]:8080\"")
    })
}
