//! Variants: channels through a profile, such as `sport@low`.
//!
//! A variant is a channel whose source is a job: one ffmpeg, fed by a reader of the channel itself.
//! So a hundred viewers of a variant are one job, and one reader of one upstream; viewers by HLS,
//! failover and the linger are those of any channel. Whether there is processor time for a job, the
//! ledger of the core decides (`forebay_core::transcode`); this module measures and carries out.

mod arguments;
mod job;
mod meter;
mod opener;
mod program;
mod report;
mod usage;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use forebay_core::transcode::{Action, Admission, JobId, NoCpu, Profile, Request, Settings};
use forebay_relay::channel::Channels;
use forebay_relay::model::ChannelId;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use self::meter::Meter;
pub use self::opener::VariantOpener;
pub use self::report::{JobReport, Report};
use self::usage::Machine;
use crate::config::Transcode;

/// How often it is measured what jobs take.
const MEASURE: Duration = Duration::from_secs(1);

/// All jobs of variants. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Variants(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Known once the channels are there, which are opened by what belongs to us.
    channels: OnceLock<Weak<Channels>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    desk: Mutex<Desk>,
}

/// The ledger, and what it is about.
#[derive(Debug)]
struct Desk {
    settings: Arc<Transcode>,
    admission: Admission,
    jobs: BTreeMap<JobId, Running>,
    /// The processors of this machine.
    cores: usize,
}

/// A job that was let in.
#[derive(Debug)]
struct Running {
    channel: ChannelId,
    since: Timestamp,
    orders: watch::Sender<Order>,
    meter: Arc<Meter>,
}

/// What a job is to do.
#[derive(Debug, Clone, PartialEq)]
enum Order {
    /// Encode as this.
    Encode(Profile),
    /// End.
    Stop,
}

/// The right to run a job. It is given back when it is dropped.
#[derive(Debug)]
struct Ticket {
    id: JobId,
    inner: Arc<Inner>,
    orders: watch::Receiver<Order>,
    meter: Arc<Meter>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut desk = self.inner.desk();
        desk.admission.remove(self.id);
        desk.jobs.remove(&self.id);
    }
}

impl Variants {
    /// No jobs yet.
    pub fn new(settings: &Transcode) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let desk = Desk {
            admission: Admission::new(admission_settings(settings, cores)),
            settings: Arc::new(settings.clone()),
            jobs: BTreeMap::new(),
            cores,
        };
        Self(Arc::new(Inner {
            channels: OnceLock::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            desk: Mutex::new(desk),
        }))
    }

    /// Says which channels there are; to be called once.
    pub fn attach(&self, channels: &Arc<Channels>) {
        let is_first = self.0.channels.set(Arc::downgrade(channels)).is_ok();
        debug_assert!(is_first, "the channels are made once");
    }

    /// Takes other settings. Jobs whose profile is another one now are begun anew by their
    /// channels.
    pub fn configure(&self, settings: &Transcode) {
        let mut desk = self.0.desk();
        let cores = desk.cores;
        desk.admission.configure(admission_settings(settings, cores));
        desk.settings = Arc::new(settings.clone());
    }

    /// Whether there is processor time for a job of this variant. One that runs has it.
    pub fn check(&self, variant: &ChannelId) -> Result<(), NoCpu> {
        let Some((_, name)) = variant.as_variant() else { return Ok(()) };
        let desk = self.0.desk();
        match desk.settings.profile(name) {
            Some(profile) => desk.admission.check(profile),
            None => Ok(()),
        }
    }

    /// How it stands.
    pub fn report(&self) -> Report {
        let desk = self.0.desk();
        let jobs = desk.admission.jobs().filter_map(|job| {
            let running = desk.jobs.get(&job.id)?;
            Some(JobReport::new(&job, &running.channel, running.since, &running.meter))
        });
        Report {
            cores: desk.cores,
            max_jobs: desk.settings.max_jobs,
            summary: desk.admission.summary(),
            jobs: jobs.collect(),
        }
    }

    /// Measures what jobs take, and does what follows from that, until `stop`. Returns when the
    /// last job has ended.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = interval(MEASURE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (begun, mut machine) = (Instant::now(), Machine::default());
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.measure(&mut machine, begun.elapsed());
        }
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Measures once. What is read stands in memory, not on a disk.
    fn measure(&self, machine: &mut Machine, now: Duration) {
        let mut desk = self.0.desk();
        let meters = desk.jobs.iter().map(|(&id, job)| (id, Arc::clone(&job.meter))).collect::<Vec<_>>();
        let Some(sample) = machine.sample(&meters) else { return };
        desk.admission.handle_sample(forebay_core::time::Moment::new(now), &sample);
        while let Some(action) = desk.admission.poll_action() {
            let (Action::Change(id, _) | Action::Stop(id)) = &action;
            let Some(job) = desk.jobs.get(id) else { continue };
            let channel = &job.channel;
            let order = match action {
                Action::Change(_, profile) => {
                    info!(%channel, profile = %profile.name, "job gets another profile");
                    Order::Encode(profile)
                }
                Action::Stop(_) => {
                    warn!(%channel, "job is stopped: there is no processor time for it");
                    Order::Stop
                }
            };
            job.orders.send_replace(order);
        }
    }
}

impl Inner {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Every change leaves it whole.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets in a job of this variant, if there is processor time for it.
    fn admit(
        self: &Arc<Self>,
        variant: &ChannelId,
        profile: &Profile,
        priority: i32,
    ) -> Result<Ticket, NoCpu> {
        let mut desk = self.desk();
        let id = desk.admission.request(Request { profile: profile.clone(), priority })?;
        let (sender, orders) = watch::channel(Order::Encode(profile.clone()));
        let meter = Arc::<Meter>::default();
        let running = Running {
            channel: variant.clone(),
            since: Timestamp::now(),
            orders: sender,
            meter: Arc::clone(&meter),
        };
        desk.jobs.insert(id, running);
        Ok(Ticket { id, inner: Arc::clone(self), orders, meter })
    }
}

fn admission_settings(settings: &Transcode, cores: usize) -> Settings {
    let cores = u32::try_from(cores).unwrap_or(u32::MAX);
    Settings {
        budget: settings.cpu_limit.map(|percent| f64::from(cores) * f64::from(percent) / 100.0),
        max_jobs: settings.max_jobs,
        profiles: settings.profiles.clone(),
    }
}
