//! The segments that are on their way: of each rendition one is fetched at a time, and one after
//! the other is passed on.

use std::future::poll_fn;
use std::mem;
use std::task::{Context, Poll};

use forebay_core::playlist::follow::{Fetch, Outcome, Pair, Rendition, Transfer};
use forebay_core::remux::Extent;
use forebay_core::time::MediaTime;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::delivery::{Delivery, Job};
use super::segment::Worker;
use crate::input::Error;

/// Fetches and passes on what it is told.
pub(super) struct Lanes {
    /// Of each rendition.
    of: [Lane; 2],
    /// `None` while it passes something on.
    delivery: Option<Delivery>,
    passing: Option<BoxFuture<'static, Passed>>,
    /// What is to be told to the remuxer in front of the next segment.
    pair: Option<Pair>,
    /// Segments of the picture that were given up, of which the delivery is to be told as well.
    lost: u64,
    /// What went wrong with each rendition since a segment of it came whole.
    troubles: [Option<Error>; 2],
    /// What has come of the picture and of the separate sound on the timeline that they share.
    extents: [Option<Extent>; 2],
    /// Up to where both were passed on.
    passed: Option<MediaTime>,
}

/// The delivery again, and the segment that it passed on with what came of it, if there was one.
type Passed = (Delivery, Option<(Job, Outcome)>);

/// One rendition.
enum Lane {
    Idle(Worker),
    /// It has to be whole before it can be passed on.
    Fetching(BoxFuture<'static, Job>),
    /// It waits to be passed on.
    Ready(Box<Job>),
    /// It is being passed on.
    Passing,
}

/// What came of a segment.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) rendition: Rendition,
    pub(super) outcome: Outcome,
    pub(super) transfer: Transfer,
}

impl Lanes {
    pub(super) fn new(workers: [Worker; 2], delivery: Delivery) -> Self {
        Self {
            of: workers.map(Lane::Idle),
            delivery: Some(delivery),
            passing: None,
            pair: None,
            lost: 0,
            troubles: [None, None],
            extents: [None; 2],
            passed: None,
        }
    }

    /// What has come of the picture and of the separate sound on the timeline that they share.
    pub(super) fn extents(&self) -> [Option<Extent>; 2] {
        self.extents
    }

    /// Up to where both were passed on.
    pub(super) fn passed(&self) -> Option<MediaTime> {
        self.passed
    }

    /// Why a rendition's last segment did not come.
    pub(super) fn trouble(&self, rendition: Rendition) -> Option<&Error> {
        self.troubles[rendition as usize].as_ref()
    }

    /// Why the last segment did not come, of the picture first.
    pub(super) fn any_trouble(&self) -> Option<&Error> {
        self.troubles.iter().flatten().next()
    }

    /// Fetches a segment. Of each rendition one is asked for at a time.
    pub(super) fn fetch(&mut self, fetch: Fetch) {
        let lane = &mut self.of[fetch.rendition as usize];
        let Lane::Idle(mut worker) = mem::replace(lane, Lane::Passing) else {
            unreachable!("the follower asks for one segment of a rendition at a time")
        };
        // Two renditions are interleaved by the remuxer,
        // and a comparison needs the hash of the whole.
        *lane = if fetch.audio.is_some() || fetch.only_compares {
            let collect = async move {
                let whole = Some(worker.collect(&fetch).await);
                Job { fetch, worker, whole }
            };
            Lane::Fetching(collect.boxed())
        } else {
            Lane::Ready(Box::new(Job { fetch, worker, whole: None }))
        };
    }

    /// Tells the remuxer in front of whatever is passed on next.
    pub(super) fn pair(&mut self, new: Pair) {
        self.pair = Some(match self.pair {
            Some(old) => Pair {
                // An older word that was not passed on yet still holds: its media is gone.
                void: [old.void[0] || new.void[0], old.void[1] || new.void[1]],
                least: old.least.max(new.least),
                ..new
            },
            None => new,
        });
    }

    /// So many segments of the picture were given up.
    pub(super) fn lose(&mut self, count: u64) {
        self.lost += count;
    }

    /// Goes on with what it was told, and waits until something has come of a segment. One that has
    /// come and is no longer wanted is not passed on. Nothing is lost when this is dropped.
    pub(super) async fn next(&mut self, wants: impl Fn(Rendition) -> bool) -> Landed {
        poll_fn(|context| self.poll(context, &wants)).await
    }

    fn poll(&mut self, context: &mut Context<'_>, wants: &impl Fn(Rendition) -> bool) -> Poll<Landed> {
        for lane in &mut self.of {
            if let Lane::Fetching(fetching) = lane
                && let Poll::Ready(job) = fetching.poll_unpin(context)
            {
                *lane = Lane::Ready(Box::new(job));
            }
        }
        if let Some(job) = self.take_ready(|of| !wants(of)) {
            return Poll::Ready(self.land(*job, Outcome::Failed));
        }
        loop {
            self.pass_on();
            let Some(passing) = &mut self.passing else { return Poll::Pending };
            // Polled to its end even where nobody wants the segment
            // any more: half of one would be a damaged stream.
            let Poll::Ready((delivery, done)) = passing.poll_unpin(context) else { return Poll::Pending };
            self.passing = None;
            (self.extents, self.passed) = (delivery.extents(), delivery.passed());
            // It goes back before anything is told, so the next segment can begin at once.
            self.delivery = Some(delivery);
            if let Some((job, outcome)) = done {
                return Poll::Ready(self.land(job, outcome));
            }
        }
    }

    /// Passes on what has come, unless something else is being passed on.
    fn pass_on(&mut self) {
        let Some(mut delivery) = self.delivery.take() else { return };
        for _ in 0..mem::take(&mut self.lost) {
            delivery.lose();
        }
        let (pair, job) = (self.pair.take(), self.take_ready(|_| true));
        if pair.is_none() && job.is_none() {
            self.delivery = Some(delivery);
            return;
        }
        let pass = async move {
            if let Some(pair) = pair {
                delivery.pair(pair).await;
            }
            let Some(mut job) = job else { return (delivery, None) };
            let outcome = delivery.deliver(&mut job).await;
            (delivery, Some((*job, outcome)))
        };
        self.passing = Some(pass.boxed());
    }

    /// A segment that has come, of a rendition that is meant.
    fn take_ready(&mut self, is_meant: impl Fn(Rendition) -> bool) -> Option<Box<Job>> {
        let is_ready = |of: &Rendition| matches!(self.of[*of as usize], Lane::Ready(_)) && is_meant(*of);
        // The picture first: it decides where a new part begins, and the sound follows it.
        let of = [Rendition::Main, Rendition::Audio].into_iter().find(is_ready)?;
        match mem::replace(&mut self.of[of as usize], Lane::Passing) {
            Lane::Ready(job) => Some(job),
            _ => unreachable!("it is ready"),
        }
    }

    fn land(&mut self, Job { fetch, worker, .. }: Job, outcome: Outcome) -> Landed {
        let (rendition, transfer) = (fetch.rendition, worker.transfer);
        self.troubles[rendition as usize].clone_from(&worker.trouble);
        self.of[rendition as usize] = Lane::Idle(worker);
        Landed { rendition, outcome, transfer }
    }
}
