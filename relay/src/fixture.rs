//! Channels and providers for tests, as a configuration file would have them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{
    Channel, Checker, HlsSpec, House, Policy, PolicySpec, Provider, ProviderSpec, Snapshot, Spec,
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

    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        Snapshot { providers: &self.providers, channels: &self.channels }
    }

    pub(crate) fn hls_dir(&self) -> &Path {
        &self.hls_dir
    }
}
