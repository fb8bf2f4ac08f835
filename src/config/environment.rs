//! Keys of the file that the environment sets: `FOREBAY_STREAM_IDLE_TIMEOUT` is `idle_timeout` of
//! `[stream]`. They win over the file.

use std::ffi::OsString;
use std::path::PathBuf;

use forebay_relay::model::nearest::nearest;
use forebay_relay::model::{FieldPath, HealthSpec, HlsSpec, PolicySpec};
use serde::de::value::{Error as ValueError, SeqDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::error::{Error, Fault};
use super::file::{
    AcmeFile, AuthFile, BackupsFile, DataFile, File, FilmsFile, HdhomerunFile, LogFile, OidcFile,
    ResolverFile, ServerFile, TlsFile, TokensFile,
};

const PREFIX: &str = "FOREBAY_";

/// Variables that are no keys of the file: those of the command line, and one for whoever builds.
const OTHERS: &[&str] = &["FOREBAY_CONFIG", "FOREBAY_LISTEN", "FOREBAY_LOG", "FOREBAY_PORTABLE"];

/// Variables of other names that set keys, since programs that Forebay takes the place of have
/// them: each with its section, its key, and the unit that belongs to the number.
const ALIASES: &[(&str, &[&str], &str, &str)] = &[
    ("LOG_LEVEL", &["log"], "level", ""),
    ("MAX_CONCURRENT_STREAMS", &["tokens"], "max_streams", ""),
    ("MAX_TOKENS_PER_HOUR", &["tokens"], "max_per_hour", ""),
    ("MAX_TOKENS_PER_USER", &["tokens"], "max_live", ""),
    ("STREAM_TOKEN_EXPIRES_MINUTES", &["tokens"], "lifetime", "m"),
];

/// Variables of those programs that mean nothing here: streams have no such buffers, figures are
/// kept by whoever asks for them, and nothing is kept in another server.
const IGNORED: &[&str] =
    &["METRICS_RETENTION_HOURS", "REDIS_DB", "REDIS_HOST", "REDIS_PORT", "STREAM_BUFFER_SIZE"];

/// The sections of the file, each with its keys. Those that are sections themselves are no values.
const SECTIONS: &[(&[&str], &[&str])] = &[
    (&["server"], ServerFile::KEYS),
    (&["server", "tls"], TlsFile::KEYS),
    (&["server", "tls", "acme"], AcmeFile::KEYS),
    (&["auth"], AuthFile::KEYS),
    (&["oidc"], OidcFile::KEYS),
    (&["tokens"], TokensFile::KEYS),
    (&["hdhomerun"], HdhomerunFile::KEYS),
    (&["log"], LogFile::KEYS),
    (&["data"], DataFile::KEYS),
    (&["backups"], BackupsFile::KEYS),
    (&["stream"], PolicySpec::KEYS),
    (&["stream", "health"], HealthSpec::KEYS),
    (&["hls"], HlsSpec::KEYS),
    (&["films"], FilmsFile::KEYS),
    (&["resolver"], ResolverFile::KEYS),
];

/// The variables of a process that concern us: first those of other names, each in the order of
/// their names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    ours: Vec<(String, String)>,
    /// The names of those that mean nothing here.
    ignored: Vec<String>,
}

/// A key of the file that a variable has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) path: FieldPath,
    pub(super) variable: String,
}

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// Those of `variables` that begin with `FOREBAY_`. What is no UTF-8 is none of ours.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let all: Vec<(String, String)> = variables.into_iter().filter_map(text).collect();
        let is_ours = |name: &str| name.starts_with(PREFIX) && !OTHERS.contains(&name);
        let mut ignored: Vec<String> = all
            .iter()
            .map(|(name, _)| name)
            .filter(|name| IGNORED.contains(&name.as_str()))
            .cloned()
            .collect();
        let is_wanted = |(name, _): &(String, String)| is_ours(name) || alias(name).is_some();
        let mut ours: Vec<(String, String)> = all.into_iter().filter(is_wanted).collect();
        // Of two that set the same key, the one with our own name comes later, and wins.
        ours.sort_by(|a, b| (is_ours(&a.0), a).cmp(&(is_ours(&b.0), b)));
        ignored.sort();
        Self { ours, ignored }
    }

    /// Notes on variables that belong to other programs.
    pub fn notes(&self) -> Vec<String> {
        let set = self.ours.iter().filter_map(|(name, _)| {
            let (section, key, _) = alias(name)?;
            Some(format!("{name} sets {key} of [{}]", section.join(".")))
        });
        let ignored = self.ignored.iter().map(|name| format!("{name} has no effect"));
        set.chain(ignored).collect()
    }

    /// The keys that they set, by their names in the file, each with its variable and its value.
    pub(super) fn keys(&self) -> Vec<(String, &(String, String))> {
        let named = |(variable, _): &'_ (String, String)| {
            key_of(variable).ok().map(|(section, key)| format!("{}.{key}", section.join(".")))
        };
        self.ours.iter().filter_map(|set| Some((named(set)?, set))).collect()
    }

    /// Puts them over what stands in the file, and says which keys that were.
    pub(super) fn apply(&self, file: &mut File) -> Result<Vec<Set>, Error> {
        let (mut set, mut faults) = (Vec::new(), Vec::new());
        for (variable, value) in &self.ours {
            let applied = key_of(variable).and_then(|(section, key)| {
                let unit = alias(variable).map_or("", |(_, _, unit)| unit);
                put(file, section, key, &format!("{}{unit}", value.trim()))
                    .map_err(|error| error.to_string())?;
                Ok(section.iter().fold(FieldPath::default(), |path, part| path.to(*part)).to(key))
            });
            match applied {
                Ok(path) => set.push(Set { path, variable: variable.clone() }),
                Err(message) => faults.push(fault(variable, message)),
            }
        }
        if faults.is_empty() { Ok(set) } else { Err(Error::of(faults)) }
    }
}

/// A fault of a variable.
pub(super) fn fault(variable: &str, message: String) -> Fault {
    Fault { path: PathBuf::from(variable), place: None, message }
}

/// The variable for a key.
fn variable_of(section: &[&str], key: &str) -> String {
    let name = format!("{PREFIX}{}_{key}", section.join("_"));
    name.to_ascii_uppercase()
}

/// The keys that can be set, each with its section.
pub(super) fn keys() -> impl Iterator<Item = (&'static [&'static str], &'static str)> {
    let is_section = |section: &[&str], key: &str| {
        SECTIONS.iter().any(|(other, _)| other.split_last() == Some((&key, section)))
    };
    SECTIONS.iter().flat_map(move |&(section, keys)| {
        keys.iter().filter(move |key| !is_section(section, key)).map(move |&key| (section, key))
    })
}

/// The section, the key and the unit of a variable of another name.
fn alias(variable: &str) -> Option<(&'static [&'static str], &'static str, &'static str)> {
    let found = ALIASES.iter().find(|(name, ..)| *name == variable)?;
    Some((found.1, found.2, found.3))
}

/// The key that a variable sets.
fn key_of(variable: &str) -> Result<(&'static [&'static str], &'static str), String> {
    if let Some((section, key, _)) = alias(variable) {
        return Ok((section, key));
    }
    if let Some(found) = keys().find(|(section, key)| variable_of(section, key) == variable) {
        return Ok(found);
    }
    let known: Vec<String> = keys().map(|(section, key)| variable_of(section, key).to_lowercase()).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let guess = nearest(variable, &known).map(str::to_uppercase);
    let guess = guess.map_or_else(String::new, |guess| format!("; did you mean \"{guess}\"?"));
    Err(format!("no key of the configuration has this name{guess}"))
}

/// Sets a key of a section that there is.
fn put(file: &mut File, section: &[&str], key: &'static str, value: &str) -> Result<(), ValueError> {
    let map = &mut OneValue(value);
    match section {
        ["auth"] => file.auth.get_or_insert_default().read(key, map),
        ["oidc"] => file.oidc.get_or_insert_default().read(key, map),
        ["hdhomerun"] => file.hdhomerun.get_or_insert_default().read(key, map),
        ["tokens"] => file.tokens.get_or_insert_default().read(key, map),
        ["log"] => file.log.get_or_insert_default().read(key, map),
        ["data"] => file.data.get_or_insert_default().read(key, map),
        ["backups"] => file.backups.get_or_insert_default().read(key, map),
        ["stream"] => file.stream.get_or_insert_default().read(key, map),
        ["hls"] => file.hls.get_or_insert_default().read(key, map),
        ["films"] => file.films.get_or_insert_default().read(key, map),
        ["resolver"] => file.resolver.get_or_insert_default().read(key, map),
        ["stream", "health"] => {
            file.stream.get_or_insert_default().health.get_or_insert_default().read(key, map)
        }
        ["server", rest @ ..] => {
            let server = file.server.get_or_insert_default();
            match rest {
                [] => server.read(key, map),
                ["tls"] => server.tls.get_or_insert_default().read(key, map),
                _ => server.tls.get_or_insert_default().acme.get_or_insert_default().read(key, map),
            }
        }
        _ => Err(ValueError::custom("there is no such section")),
    }
}

/// The value of one variable, in place of a table.
struct OneValue<'a>(&'a str);

impl<'de> MapAccess<'de> for OneValue<'_> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, ValueError> {
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ValueError> {
        seed.deserialize(Value(self.0))
    }
}

/// A text that is read as what its key holds: a number, true or false, a list with commas.
struct Value<'a>(&'a str);

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        // Counts may be numbers or "off"; sizes and durations are texts.
        match self.0.trim().parse() {
            Ok(number) => visitor.visit_i64(number),
            Err(_) => visitor.visit_str(self.0.trim()),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let number = self.0.trim().parse();
        visitor.visit_i64(number.map_err(|_| ValueError::custom("expected a whole number"))?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let value = self.0.trim().parse();
        visitor.visit_bool(value.map_err(|_| ValueError::custom("expected true or false"))?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_str(self.0.trim())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let parts = self.0.split(',').map(str::trim).filter(|part| !part.is_empty());
        visitor.visit_seq(SeqDeserializer::new(parts.map(Value)))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf option unit unit_struct
        newtype_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl IntoDeserializer<'_> for Value<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may hold secrets.
        f.debug_list().entries(self.ours.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::{Config, PerAddress, Quota, Tokens};
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::new(variables.iter().map(|&(name, value)| (name.into(), value.into())))
    }

    fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::parse_with(text, Path::new("channels.toml"), environment(variables))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn variables_of_other_programs_are_taken_and_told_and_ours_win() {
        let seed = [
            ("STREAM_TOKEN_EXPIRES_MINUTES", "45"),
            ("MAX_CONCURRENT_STREAMS", "4"),
            ("MAX_TOKENS_PER_USER", "6"),
            ("MAX_TOKENS_PER_HOUR", "30"),
            ("LOG_LEVEL", "debug"),
            ("REDIS_HOST", "localhost"),
            ("STREAM_BUFFER_SIZE", "65536"),
            ("FOREBAY_TOKENS_MAX_LIVE", "7"),
            ("PATH", "/bin"),
        ];
        let config = parse("[tokens]\nmax_streams = 1\n", &seed).unwrap();
        let lifetime = Duration::from_mins(45);
        let expected = Tokens { lifetime, max_live: 7, max_per_hour: 30, max_streams: 4 };
        assert_eq!((config.tokens, &*config.log.level), (expected, "debug"));
        let notes = config.environment.notes();
        let told = |note: &str| notes.iter().any(|other| other == note);
        assert!(told("MAX_TOKENS_PER_HOUR sets max_per_hour of [tokens]"), "{notes:?}");
        assert!(told("REDIS_HOST has no effect") && notes.len() == 7, "{notes:?}");
        let wrong = parse("", &[("MAX_TOKENS_PER_USER", "many")]).unwrap_err();
        assert!(wrong.contains("MAX_TOKENS_PER_USER"), "{wrong}");
    }

    #[test]
    fn variables_win_over_the_file_whatever_their_keys_hold() {
        let config = parse(
            "[stream]\nidle_timeout = '5s'\nburst = '1s'\n",
            &[
                ("FOREBAY_STREAM_IDLE_TIMEOUT", "60s"),
                ("FOREBAY_STREAM_BUFFER_BYTES", "32 MiB"),
                ("FOREBAY_STREAM_KEEP_ALIVE", "false"),
                ("FOREBAY_STREAM_HEALTH_DAMAGED", "7"),
                ("FOREBAY_STREAM_HEALTH_SLOW", "off"),
                ("FOREBAY_SERVER_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8"),
                ("FOREBAY_SERVER_MAX_CONNECTIONS", "99"),
                ("FOREBAY_SERVER_MAX_VIEWERS_PER_ADDRESS", "off"),
                ("FOREBAY_HLS_DIR", "elsewhere"),
                ("FOREBAY_LOG", "debug"),
                ("PATH", "/bin"),
            ],
        );
        let config = config.unwrap();
        let channel = "[[channels]]\nid = 'a'\nsources = ['testcard://']\n";
        assert_eq!((config.server.trusted_proxies.len(), config.server.max_connections), (2, 99));
        assert_eq!(config.server.per_address, PerAddress { viewers: Quota::Off, ..PerAddress::default() });
        assert_eq!(config.hls_dir, Path::new("elsewhere"));
        let config = parse(
            &format!("[stream]\nidle_timeout = '5s'\nburst = '1s'\n{channel}"),
            &[("FOREBAY_STREAM_IDLE_TIMEOUT", "60s"), ("FOREBAY_STREAM_HEALTH_SLOW", "off")],
        );
        let policy = config.unwrap().channels[0].policy;
        assert_eq!((policy.idle_timeout, policy.burst), (Duration::from_mins(1), Duration::from_secs(1)));
        assert_eq!(policy.health.slow, None);
    }

    #[test]
    fn what_is_wrong_with_a_variable_is_told_by_its_name() {
        for (name, value, message) in [
            (
                "FOREBAY_STREAM_IDLE_TIMEOUT",
                "25h",
                "FOREBAY_STREAM_IDLE_TIMEOUT: idle_timeout: 1day 1h is out of range, expected 100ms to 1day",
            ),
            ("FOREBAY_STREAM_SLATE", "yes", "FOREBAY_STREAM_SLATE: expected true or false"),
            (
                "FOREBAY_SERVER_MAX_CONNECTIONS",
                "many",
                "FOREBAY_SERVER_MAX_CONNECTIONS: expected a whole number",
            ),
            (
                "FOREBAY_SERVER_ADMIN_FROM",
                "127.0.0.1,me",
                "FOREBAY_SERVER_ADMIN_FROM: admin_from: \"me\" is not an address or a network such as \"127.0.0.1\" or \"10.0.0.0/8\"",
            ),
            (
                "FOREBAY_STREM_IDLE_TIMEOUT",
                "60s",
                "FOREBAY_STREM_IDLE_TIMEOUT: no key of the configuration has this name; did you mean \"FOREBAY_STREAM_IDLE_TIMEOUT\"?",
            ),
            ("FOREBAY_SERVER_TLS", "x", "FOREBAY_SERVER_TLS: no key of the configuration has this name"),
        ] {
            let error = parse("", &[(name, value)]).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        let mut all: Vec<String> = keys().map(|(section, key)| variable_of(section, key)).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(count > 50, "{all:?}");
    }
}
