//! Which proxy a request goes through: the configured one, or that of the environment, as other
//! programs take it.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use crate::input::Error;
use crate::model::{Proxy, ProxyChoice};

/// The variables `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, in small letters or in
/// capitals.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    http: Variable,
    https: Variable,
    exceptions: Vec<Exception>,
}

/// What a variable says. Whoever sets one does not want to be seen without a proxy, so one that
/// cannot be read is not the same as none.
#[derive(Debug, Clone, Default)]
enum Variable {
    #[default]
    Unset,
    Proxy(Proxy),
    Unreadable(Error),
}

/// A member of `no_proxy`: what is reached without one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    /// Any if absent.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// A name and those below it.
    Below(String),
    Network(IpNet),
}

impl Environment {
    /// Reads the variables of this process.
    pub(super) fn new() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| {
            // Small letters win, as with other programs.
            let names = [name.to_owned(), name.to_ascii_uppercase()];
            // An empty variable is how a proxy is switched off for one program: it counts as unset.
            names.into_iter().find_map(|name| get(&name).filter(|value| !value.trim().is_empty()))
        };
        let variable = |name: &str| match get(name) {
            Some(value) => Variable::read(name, &value),
            None => get("all_proxy").map_or(Variable::Unset, |value| Variable::read("all_proxy", &value)),
        };
        let exceptions = get("no_proxy").unwrap_or_default();
        // Commas are usual, blanks are common too; both occur in one list.
        let exceptions = exceptions.split([',', ' ']).filter_map(Exception::read).collect();
        Self { http: variable("http_proxy"), https: variable("https_proxy"), exceptions }
    }

    fn proxy_for(&self, url: &Url) -> Result<Option<&Proxy>, Error> {
        if self.exceptions.iter().any(|exception| exception.has(url)) {
            return Ok(None);
        }
        match if url.scheme() == "https" { &self.https } else { &self.http } {
            Variable::Unset => Ok(None),
            Variable::Proxy(proxy) => Ok(Some(proxy)),
            Variable::Unreadable(error) => Err(error.clone()),
        }
    }
}

/// The proxy for a request to `url`, if there is one.
pub(super) fn proxy_for<'a>(
    choice: &'a ProxyChoice,
    environment: &'a Environment,
    url: &Url,
) -> Result<Option<&'a Proxy>, Error> {
    match choice {
        ProxyChoice::None => Ok(None),
        ProxyChoice::Proxy(proxy) => Ok(Some(proxy)),
        ProxyChoice::Environment => environment.proxy_for(url),
    }
}

impl Variable {
    fn read(name: &str, value: &str) -> Self {
        // Without a scheme it is one of HTTP.
        let value = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
        match value.parse() {
            Ok(proxy) => Self::Proxy(proxy),
            Err(error) => {
                Self::Unreadable(Error::Proxy(format!("the variable {name} cannot be read: {error}")))
            }
        }
    }
}

impl Exception {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let network = |text: &str| {
            // IPv6 addresses stand there with or without the brackets that addresses need.
            let address = || text.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(IpNet::from);
            text.parse::<IpNet>().ok().or_else(address)
        };
        let (hosts, port) = match (network(text), text.rsplit_once(':')) {
            // First, because an IPv6 address has colons that are no port.
            (Some(network), _) => return Some(Self { hosts: Hosts::Network(network), port: None }),
            (None, Some((hosts, port))) => (hosts, Some(port.parse().ok()?)),
            (None, None) => (text, None),
        };
        let hosts = match (hosts, network(hosts)) {
            ("", _) => return None,
            ("*", _) => Hosts::All,
            (_, Some(network)) => Hosts::Network(network),
            (name, None) => {
                // `.example.org`, `*.example.org` and `example.org` mean the same to most programs.
                Hosts::Below(name.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase())
            }
        };
        Some(Self { hosts, port })
    }

    fn has(&self, url: &Url) -> bool {
        let has_host = match (&self.hosts, url.host()) {
            (Hosts::All, _) => true,
            (Hosts::Below(name), Some(Host::Domain(host))) => {
                let above = host.trim_end_matches('.').strip_suffix(name.as_str());
                // At a dot only: `notexample.org` is not below `example.org`.
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            (Hosts::Network(network), Some(Host::Ipv4(address))) => network.contains(&IpAddr::from(address)),
            (Hosts::Network(network), Some(Host::Ipv6(address))) => network.contains(&IpAddr::from(address)),
            _ => false,
        };
        has_host && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn chosen(choice: &str, environment: &Environment, url: &str) -> Result<Option<String>, String> {
        let choice = if choice.is_empty() { ProxyChoice::Environment } else { choice.parse().unwrap() };
        proxy_for(&choice, environment, &Url::parse(url).unwrap())
            .map(|proxy| proxy.map(Proxy::to_string))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_configuration_comes_before_the_environment() {
        let set = environment(&[("http_proxy", "joe:hunter2@p:3128"), ("HTTPS_PROXY", "socks5h://s")]);
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(chosen("", &set, "http://h/"), some("http://p:3128"));
        assert_eq!(chosen("", &set, "https://h/"), some("socks5h://s:1080"));
        assert_eq!(chosen("none", &set, "http://h/"), Ok(None));
        assert_eq!(chosen("http://own", &set, "https://h/"), some("http://own:80"));
        assert_eq!(chosen("", &Environment::default(), "http://h/"), Ok(None));
        let all = environment(&[("ALL_PROXY", "http://a"), ("http_proxy", " ")]);
        assert_eq!(chosen("", &all, "http://h/"), some("http://a:80"));
    }

    #[test]
    fn a_variable_that_cannot_be_read_is_not_passed_over() {
        let bad = environment(&[("http_proxy", "https://joe:hunter2@p")]);
        let error = chosen("", &bad, "http://h/").unwrap_err();
        assert!(error.contains("http_proxy") && !error.contains("hunter2"), "{error}");
        assert_eq!(chosen("", &bad, "https://h/"), Ok(None));
    }

    #[test]
    fn exceptions_are_names_networks_and_all() {
        for (exceptions, url, is_direct) in [
            ("example.com", "http://example.com/", true),
            ("example.com", "http://cdn.Example.com/", true),
            (".example.com, other", "http://example.com:81/", true),
            ("*.example.com", "http://cdn.example.com/", true),
            ("example.com", "http://badexample.com/", false),
            ("example.com:81", "http://example.com/", false),
            ("example.com:80", "http://example.com/", true),
            ("10.0.0.0/8 ::1", "http://10.1.2.3/", true),
            ("10.0.0.0/8", "http://11.1.2.3/", false),
            ("127.0.0.1:9981", "http://127.0.0.1:9981/", true),
            ("[::1]", "http://[::1]/", true),
            ("::1", "http://[::1]/", true),
            ("*", "http://h/", true),
            (",", "http://h/", false),
        ] {
            let set = environment(&[("http_proxy", "http://p"), ("no_proxy", exceptions)]);
            let direct = chosen("", &set, url).unwrap().is_none();
            assert_eq!(direct, is_direct, "{exceptions}: {url}");
        }
    }
}
