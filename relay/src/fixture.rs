//! Channels and providers for tests, as a configuration file would have them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::channel::{Difference, Lookup, Unreadable};
use crate::model::{
    Channel, ChannelId, Checker, HlsSpec, House, Policy, PolicySpec, Provider, ProviderSpec, Spec,
};

crate::table! {
    struct File {
        stream: PolicySpec,
        hls: HlsSpec,
        providers: Vec<ProviderSpec>,
        channels: Vec<Spec>,
    }
}

/// What a relay runs.
#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    pub(crate) hls_dir: PathBuf,
    pub(crate) providers: Vec<Provider>,
    pub(crate) channels: Vec<Arc<Channel>>,
}

impl Fixture {
    /// Of a text without a fault.
    pub(crate) fn parse(text: &str) -> Self {
        let file: File = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
        let mut checker = Checker::default();
        let hls_file = file.hls.unwrap_or_default();
        let defaults = Policy { hls: hls_file.check(&mut checker), ..Policy::default() };
        let stream = file.stream.unwrap_or_default();
        let policy = stream.check(&mut checker, &defaults);
        let slate_urls = stream.check_slate_urls(&mut checker).unwrap_or_default();
        let mut house = House::new(PathBuf::new(), policy, slate_urls);
        let providers =
            file.providers.iter().flatten().filter_map(|spec| spec.check(&mut checker, &mut house)).collect();
        assert_eq!(checker.into_errors(), []);
        let channels = file.channels.iter().flatten();
        let channels = channels.map(|spec| Arc::new(spec.check(&house).expect("a good channel"))).collect();
        // Below `target`, what a test leaves litters nothing.
        let hls_dir = hls_file.dir.unwrap_or_else(|| "../target/fixture".into()).into();
        Self { hls_dir, providers, channels }
    }

    pub(crate) fn lookup(&self) -> Arc<List> {
        Arc::new(List(self.channels.clone()))
    }

    pub(crate) fn hls_dir(&self) -> &Path {
        &self.hls_dir
    }
}

/// The channels of a fixture.
#[derive(Debug)]
pub(crate) struct List(Vec<Arc<Channel>>);

impl List {
    /// The channel with this id.
    pub(crate) fn channel(&self, id: &str) -> Option<Arc<Channel>> {
        self.0.iter().find(|channel| channel.id.as_str() == id).cloned()
    }

    /// What is different in `self`.
    pub(crate) fn since(self: &Arc<Self>, before: &Self) -> Difference {
        let ids = |list: &Self, is_one: &dyn Fn(&Arc<Channel>) -> bool| -> HashSet<ChannelId> {
            list.0.iter().filter(|channel| is_one(channel)).map(|channel| channel.id.clone()).collect()
        };
        Difference {
            lookup: Arc::clone(self) as _,
            added: ids(self, &|channel| before.channel(channel.id.as_str()).is_none()),
            changed: ids(self, &|new| before.channel(new.id.as_str()).is_some_and(|old| old != *new)),
            removed: ids(before, &|channel| self.channel(channel.id.as_str()).is_none()),
            is_incomplete: false,
        }
    }
}

impl Lookup for List {
    fn find(&self, id: &str) -> Result<Option<Arc<Channel>>, Unreadable> {
        Ok(self.channel(id))
    }
}
