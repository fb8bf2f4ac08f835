//! A channel as somebody wrote it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::checker::{Checker, FieldError, parse_http};
use super::house::House;
use super::policy::PolicySpec;
use super::source::SourceSpec;
use crate::model::{Channel, ChannelId, source_id};

/// Enough to give each channel a rank of its own in lists that people write.
const PRIORITY: RangeInclusive<i64> = -1000..=1000;

/// Longer than any real list of ways to get one channel; failover would hardly come round.
const MAX_SOURCES: usize = 32;

crate::table! {
    /// A channel, with every field optional and as it was typed.
    pub struct Spec {
        /// Its name in paths.
        id: String,
        /// Its name for people.
        name: String,
        /// Its number in lists.
        number: i64,
        /// The group it is listed in.
        group: String,
        /// Address of its logo.
        logo: String,
        /// Its id in guides.
        tvg_id: String,
        /// The programme to take from a stream of several.
        program: i64,
        /// Whose viewers come first where connections are short.
        priority: i64,
        /// Where it comes from, the preferred source first.
        sources: Vec<SourceSpec>,
    }
    and
    /// What it sets differently from the house.
    policy: PolicySpec
}

impl Spec {
    /// The channel, or each field that is wrong.
    pub fn check(&self, house: &House) -> Result<Channel, Vec<FieldError>> {
        let mut checker = Checker::default();
        let channel = self.check_with(&mut checker, house);
        let errors = checker.into_errors();
        channel.filter(|_| errors.is_empty()).ok_or(errors)
    }

    /// The channel; none without a good id. Where there are errors, nobody may use it.
    pub fn check_with(&self, checker: &mut Checker, house: &House) -> Option<Channel> {
        // Checked even where the channel has no id: all faults are told in one run.
        let policy = self.policy.check(checker, &house.policy);
        if self.id.is_none() {
            checker.fault("id", "this channel has no id");
        }
        let own_slate_urls = self.policy.check_slate_urls(checker);
        let typed = self.sources.as_deref().unwrap_or_default();
        self.check_count(checker, typed);
        let mut sources = checker.within("sources", |checker| {
            let all = typed.iter().enumerate();
            all.filter_map(|(at, source)| checker.within(at, |checker| source.check(checker, house)))
                .collect::<Vec<_>>()
        });
        let id = checker.field("id", self.id.as_ref(), |text| text.parse::<ChannelId>());
        let number = checker.number("number", self.number.as_ref(), u32::MAX.into());
        let name = checker.words("name", self.name.as_ref());
        let group = checker.words("group", self.group.as_ref());
        let logo = checker.field("logo", self.logo.as_ref(), |text| parse_http(text).map(String::from));
        let tvg_id = checker.words("tvg_id", self.tvg_id.as_ref());
        let program = checker.number("program", self.program.as_ref(), u16::MAX.into());
        let priority = checker.number_within("priority", self.priority.as_ref(), PRIORITY);
        // Those of all channels are left out where they have no use, so that a warning is about
        // what was said of this one.
        let slate_urls = own_slate_urls.unwrap_or_else(|| {
            let has_http = sources.iter().any(|source| source.url.kind().is_requested());
            if has_http { Arc::clone(&house.slate_urls) } else { Arc::default() }
        });
        for source in &mut sources {
            source.slate_urls = Arc::clone(&slate_urls);
        }
        // Last, when all that a source asks for is settled: its id is made of that.
        source_id::name(program, &mut sources);
        let id = id?;
        let name = name.unwrap_or_else(|| id.to_string());
        Some(Channel {
            id,
            name,
            number,
            group,
            logo,
            tvg_id,
            program,
            priority: priority.unwrap_or_default(),
            policy,
            slate_urls,
            sources,
        })
    }

    fn check_count(&self, checker: &mut Checker, sources: &[SourceSpec]) {
        if sources.is_empty() {
            let channel =
                self.id.as_ref().map_or_else(|| "this channel".into(), |id| format!("channel \"{id}\""));
            checker.fault("sources", format!("{channel} has no sources"));
        }
        if sources.len() > MAX_SOURCES {
            checker.fault("sources", format!("sources: more than {MAX_SOURCES}"));
        }
    }
}
