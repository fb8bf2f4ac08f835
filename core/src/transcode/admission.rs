//! Which jobs may run: by what they were measured to cost, and what the machine has to spare.
//!
//! The budget is a share of all processors. What is not jobs comes first: viewers and pushes are
//! never the ones who pay. A job is let in where its cost fits into the rest and nothing waits for
//! processors (PSI). Where jobs cannot keep up later, one of them gets a lesser profile, and when
//! none is left that has one, the youngest is stopped. Jobs that copy pictures are left alone: they
//! cost a hundredth of an encode.
//!
//! A value of decisions: [`Admission::request`] and [`Admission::handle_sample`] take in what is
//! known, [`Admission::poll_action`] gives what is to be done, until it gives none.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use super::cost::Costs;
use super::profile::Profile;
use crate::time::Moment;

/// A job is let in only where at most this share of the time something waits for a processor.
const CALM_PRESSURE: f64 = 20.0;

/// Above it, jobs are too many.
const HIGH_PRESSURE: f64 = 40.0;

/// A job that waits for its encoder more than this share of the time is behind.
const BEHIND: f64 = 0.5;

/// How long that must last before something is done: longer than a burst at the start of a job.
const OVERLOAD: Duration = Duration::from_secs(10);

/// How long it must be calm before a job gets its own profile again.
const CALM: Duration = Duration::from_mins(5);

/// What "calm" is: this share of the budget is used at most.
const CALM_SHARE: f64 = 0.6;

/// How much the newest sample of the load of others counts.
const WEIGHT: f64 = 0.3;

/// Names a job, and is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// How much jobs may take.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Processors that jobs and everything else may use together; no limit if absent.
    pub budget: Option<f64>,
    /// Jobs at a time; no limit if absent.
    pub max_jobs: Option<u32>,
    /// All profiles.
    pub profiles: Vec<Profile>,
}

/// A job that somebody wants.
#[derive(Debug, Clone)]
pub struct Request {
    /// What it is to encode.
    pub profile: Profile,
    /// Jobs of a lower priority pay first.
    pub priority: i32,
}

/// There is no processor time for a job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoCpu {
    /// As many run as may.
    MaxJobs(u32),
    /// It does not fit into the budget: processors that it needs, and that are free.
    Budget {
        /// Needed.
        needed: f64,
        /// Free.
        free: f64,
    },
    /// Something waits for processors already, this share of the time in percent.
    Pressure(f64),
}

impl fmt::Display for NoCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxJobs(max) => write!(f, "{max} jobs run, as many as may"),
            Self::Budget { needed, free } => {
                write!(f, "{needed:.2} processors are needed, and {free:.2} are free")
            }
            Self::Pressure(share) => {
                write!(f, "something waits for a processor {share:.0} % of the time")
            }
        }
    }
}

impl std::error::Error for NoCpu {}

/// What was measured, about once a second.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Processors that are busy with anything but jobs.
    pub others: f64,
    /// The share of the time in which something waits for a processor, in percent (PSI `some`,
    /// `avg10`); `None` where the system does not tell.
    pub pressure: Option<f64>,
    /// What jobs have done since the last sample.
    pub jobs: Vec<(JobId, JobLoad)>,
}

/// What a job has done since the last sample.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct JobLoad {
    /// Processors that it took.
    pub cpu: f64,
    /// The share of the time in which its input waited for it.
    pub waited: f64,
    /// Whether it took media for all of that time: one that begins or ends tells nothing of its
    /// cost.
    pub is_steady: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The job goes on with this profile.
    Change(JobId, Profile),
    /// The job ends.
    Stop(JobId),
}

/// What has been decided since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Jobs that were refused.
    pub refused: u64,
    /// Jobs that got a lesser profile.
    pub lowered: u64,
    /// Jobs that got a better one again.
    pub raised: u64,
    /// Jobs that were stopped.
    pub stopped: u64,
}

/// A job, as the ledger has it.
#[derive(Debug, Clone)]
struct Job {
    wanted: Profile,
    current: Profile,
    priority: i32,
    /// Measured, once it was.
    cpu: Option<f64>,
}

/// A job, as documents show it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobReport {
    /// Which.
    pub id: JobId,
    /// What it encodes now.
    pub profile: Profile,
    /// Processors that it takes, or is thought to take.
    pub cpu: f64,
}

/// The state of the ledger, as documents show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// What jobs and everything else may use; no limit if absent.
    pub budget: Option<f64>,
    /// What is busy with anything but jobs.
    pub others: f64,
    /// What all jobs take.
    pub jobs: f64,
    /// See [`Sample::pressure`].
    pub pressure: Option<f64>,
    /// What was decided.
    pub counts: Counts,
}

/// The ledger.
#[derive(Debug)]
pub struct Admission {
    settings: Settings,
    costs: Costs,
    jobs: BTreeMap<JobId, Job>,
    next: u64,
    others: f64,
    pressure: Option<f64>,
    /// Since when jobs cannot keep up.
    strained: Option<Moment>,
    /// Since when there is much room.
    calm: Option<Moment>,
    actions: VecDeque<Action>,
    counts: Counts,
}

impl Admission {
    /// One without any job.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            costs: Costs::default(),
            jobs: BTreeMap::new(),
            next: 0,
            others: 0.0,
            pressure: None,
            strained: None,
            calm: None,
            actions: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Takes other settings. Jobs that run go on.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Whether a job would be let in now.
    pub fn check(&self, profile: &Profile) -> Result<(), NoCpu> {
        if let Some(max) = self.settings.max_jobs.filter(|&max| self.jobs.len() >= max as usize) {
            return Err(NoCpu::MaxJobs(max));
        }
        let Some(budget) = self.settings.budget else { return Ok(()) };
        // What copies pictures is not worth refusing because something else is busy.
        if let Some(pressure) =
            self.pressure.filter(|&pressure| pressure > CALM_PRESSURE && profile.encoding().is_some())
        {
            return Err(NoCpu::Pressure(pressure));
        }
        let (needed, free) = (self.costs.of(profile), budget - self.others - self.taken());
        if needed > free { Err(NoCpu::Budget { needed, free: free.max(0.0) }) } else { Ok(()) }
    }

    /// Lets a job in, if it fits.
    pub fn request(&mut self, request: Request) -> Result<JobId, NoCpu> {
        if let Err(refusal) = self.check(&request.profile) {
            self.counts.refused += 1;
            return Err(refusal);
        }
        let id = JobId(self.next);
        self.next += 1;
        let Request { profile, priority } = request;
        self.jobs.insert(id, Job { wanted: profile.clone(), current: profile, priority, cpu: None });
        Ok(id)
    }

    /// A job has ended.
    pub fn remove(&mut self, id: JobId) {
        self.jobs.remove(&id);
        self.actions
            .retain(|action| !matches!(action, Action::Change(of, _) | Action::Stop(of) if *of == id));
    }

    /// Takes what was measured.
    pub fn handle_sample(&mut self, now: Moment, sample: &Sample) {
        self.others += WEIGHT * (sample.others - self.others);
        self.pressure = sample.pressure;
        let mut is_behind = false;
        for (id, load) in &sample.jobs {
            let Some(job) = self.jobs.get_mut(id) else { continue };
            is_behind |= load.waited > BEHIND && job.current.encoding().is_some();
            let known = job.cpu.unwrap_or(load.cpu);
            job.cpu = Some(known + WEIGHT * (load.cpu - known));
            if load.is_steady {
                self.costs.learn(&job.current, load.cpu);
            }
        }
        // Without a budget, nobody asked for any of this.
        let Some(budget) = self.settings.budget else { return };
        let is_strained = is_behind || sample.pressure.is_some_and(|pressure| pressure > HIGH_PRESSURE);
        self.strained = is_strained.then(|| self.strained.unwrap_or(now));
        let is_calm = !is_strained && self.others + self.taken() < CALM_SHARE * budget;
        self.calm = is_calm.then(|| self.calm.unwrap_or(now));
        if self.strained.is_some_and(|since| now.since(since) >= OVERLOAD) {
            // What is done now has to show before more is.
            self.strained = Some(now);
            self.relieve();
        } else if self.calm.is_some_and(|since| now.since(since) >= CALM) {
            self.calm = Some(now);
            self.restore();
        }
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The jobs, the oldest first.
    pub fn jobs(&self) -> impl Iterator<Item = JobReport> {
        self.jobs.iter().map(|(&id, job)| JobReport { id, profile: job.current.clone(), cpu: self.cost(job) })
    }

    /// How it stands.
    pub fn summary(&self) -> Summary {
        Summary {
            budget: self.settings.budget,
            others: self.others,
            jobs: self.taken(),
            pressure: self.pressure,
            counts: self.counts,
        }
    }

    /// What all jobs take.
    fn taken(&self) -> f64 {
        self.jobs.values().map(|job| self.cost(job)).sum()
    }

    /// A job that has just begun takes less than it will, so the larger of both counts.
    fn cost(&self, job: &Job) -> f64 {
        let expected = self.costs.of(&job.current);
        job.cpu.map_or(expected, |measured| measured.max(expected))
    }

    /// One job takes less, or ends: of the lowest priority, the youngest.
    fn relieve(&mut self) {
        let encodes = self.jobs.iter().filter(|(_, job)| job.current.encoding().is_some());
        let mut candidates: Vec<(JobId, i32)> = encodes.map(|(&id, job)| (id, job.priority)).collect();
        candidates.sort_by_key(|&(id, priority)| (priority, std::cmp::Reverse(id)));
        for &(id, _) in &candidates {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            if let Some(lower) = job.current.next_lower(&self.settings.profiles) {
                job.current = lower.clone();
                job.cpu = None;
                self.counts.lowered += 1;
                self.actions.push_back(Action::Change(id, lower.clone()));
                return;
            }
        }
        if let Some(&(id, _)) = candidates.first() {
            self.counts.stopped += 1;
            self.actions.push_back(Action::Stop(id));
        }
    }

    /// One job gets what it wanted, if that fits: of the highest priority, the oldest.
    fn restore(&mut self) {
        let lowered = self.jobs.iter().filter(|(_, job)| job.current != job.wanted);
        let Some((&id, job)) = lowered.min_by_key(|&(&id, job)| (std::cmp::Reverse(job.priority), id)) else {
            return;
        };
        let (wanted, more) = (job.wanted.clone(), self.costs.of(&job.wanted) - self.cost(job));
        let free = self.settings.budget.map_or(f64::INFINITY, |budget| budget - self.others - self.taken());
        if more > free {
            return;
        }
        self.counts.raised += 1;
        self.actions.push_back(Action::Change(id, wanted.clone()));
        let job = self.jobs.get_mut(&id).expect("it was found above");
        job.current = wanted;
        job.cpu = None;
    }
}
