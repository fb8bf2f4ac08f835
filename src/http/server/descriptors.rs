//! File descriptors: each connection takes one.

use rustix::process::{Resource, getrlimit, setrlimit};

/// What is kept from viewers, at most: for upstreams, stores, files and logs.
const RESERVED: usize = 1024;

/// Raises the limit of open file descriptors as far as the system allows without privileges; the limit that holds now.
pub(in crate::http) fn raise_descriptor_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    limit.current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// How many of so many descriptors connections may take.
pub(in crate::http) fn connections_of(descriptors: usize) -> usize {
    descriptors - RESERVED.min(descriptors / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_kept_for_the_rest_of_the_process() {
        for (all, connections) in
            [(256, 192), (1024, 768), (4096, 3072), (20_000, 18_976), (1_048_576, 1_047_552)]
        {
            assert_eq!(connections_of(all), connections, "{all}");
        }
    }

    #[test]
    fn the_limit_is_what_the_system_allows() {
        let raised = raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert!(limit.current.is_none_or(|limit| limit == raised as u64));
    }
}
