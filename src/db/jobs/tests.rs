//! The queue against a model of it: the same operations on both, and the same is seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use forebay_core::jobs::{Attempts, Backoff, Ended, Next, Policy, Priority, after_attempt, rank};
use rusqlite::StatementStatus;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::db::open;

const KINDS: [&str; 3] = ["a", "b", "c"];

const POLICY: Policy = Policy {
    concurrency: 4,
    deadline: Duration::from_mins(1),
    max_failures: 3,
    backoff: Backoff { first: Duration::from_secs(2), factor: 4, max: Duration::from_mins(1) },
};

const HOUR: i64 = 3_600_000;

fn database() -> (TempDir, Connection) {
    let folder = TempDir::new().unwrap();
    let opened = open::open(folder.path()).unwrap();
    (folder, opened.connection)
}

fn job(kind: &'static str, key: Option<&str>, priority: Priority) -> NewJob {
    let unique_key = key.map(str::to_owned);
    NewJob { kind, args: json!({ "n": 1 }), priority, unique_key, owner: "command".into() }
}

fn fence(job: &Job, boot: Boot) -> Fence {
    Fence { id: job.id, attempt: job.attempts.begun, boot }
}

fn outcome(ended: Ended) -> Outcome<'static> {
    Outcome { ended, text: "1" }
}

/// A generator that is good enough to be somewhere else each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        (!items.is_empty()).then(|| items[self.below(items.len())])
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    kind: &'static str,
    key: Option<String>,
    priority: Priority,
    state: &'static str,
    due: i64,
    rank: i64,
    attempts: Attempts,
    finished: i64,
}

/// What the queue is to be, in the plainest way.
#[derive(Debug, Default)]
struct Model {
    rows: BTreeMap<i64, Row>,
    paused: HashSet<&'static str>,
    last: i64,
}

impl Model {
    /// `id` is what the database has given the job; it may leave out some numbers.
    fn add(&mut self, new: &NewJob, id: i64, now: i64) {
        let is_same = |row: &Row| {
            row.key.is_some()
                && row.key == new.unique_key
                && ["waiting", "delayed", "running"].contains(&row.state)
        };
        if let Some(known) = self.rows.iter().find(|(_, row)| is_same(row)) {
            assert_eq!(id, *known.0, "the job was known");
            return;
        }
        assert!(id > self.last, "{id} was used before");
        self.last = id;
        let row = Row {
            kind: new.kind,
            key: new.unique_key.clone(),
            priority: new.priority,
            state: "waiting",
            due: now,
            rank: rank(new.priority, now),
            attempts: Attempts::default(),
            finished: 0,
        };
        self.rows.insert(id, row);
    }

    fn claim(&mut self, kind: &str, limit: usize) -> Vec<i64> {
        if self.paused.contains(kind) {
            return Vec::new();
        }
        let mut ready: Vec<(i64, i64)> = Vec::new();
        for (id, row) in &self.rows {
            if row.kind == kind && row.state == "waiting" {
                ready.push((row.rank, *id));
            }
        }
        ready.sort_unstable();
        let ids: Vec<i64> = ready.into_iter().take(limit).map(|(_, id)| id).collect();
        for id in &ids {
            let row = self.rows.get_mut(id).unwrap();
            row.state = "running";
            row.attempts.begun += 1;
        }
        ids
    }

    fn end(&mut self, id: i64, ended: Ended, now: i64) {
        let row = self.rows.get_mut(&id).unwrap();
        let next = after_attempt(&POLICY, row.attempts, ended, row.state == "cancelling", 0);
        match next {
            Next::Complete => (row.state, row.finished) = ("completed", now),
            Next::Cancel => (row.state, row.finished) = ("cancelled", now),
            Next::Fail { failed } => {
                (row.state, row.finished, row.attempts.failed) = ("failed", now, failed);
            }
            Next::Again { pause, failed } if pause.is_zero() => {
                (row.state, row.attempts.failed) = ("waiting", failed);
            }
            Next::Again { pause, failed } => {
                row.due = now + i64::try_from(pause.as_millis()).unwrap();
                row.rank = rank(row.priority, row.due);
                (row.state, row.attempts.failed) = ("delayed", failed);
            }
        }
    }

    fn cancel(&mut self, id: i64, now: i64) {
        let row = self.rows.get_mut(&id).unwrap();
        match row.state {
            "waiting" | "delayed" => (row.state, row.finished) = ("cancelled", now),
            "running" => row.state = "cancelling",
            _ => {}
        }
    }

    fn promote(&mut self, now: i64) {
        let due = self.rows.values_mut().filter(|row| row.state == "delayed" && row.due <= now);
        due.for_each(|row| row.state = "waiting");
    }

    fn clean(&mut self, now: i64) {
        self.rows.retain(|_, row| match row.state {
            "completed" => row.finished > now - 24 * HOUR,
            "failed" | "cancelled" => row.finished > now - 7 * 24 * HOUR,
            _ => true,
        });
    }

    fn ids(&self, states: &[&str]) -> Vec<i64> {
        let rows = self.rows.iter().filter(|(_, row)| states.contains(&row.state));
        rows.map(|(id, _)| *id).collect()
    }
}

/// The database and the model, in one world.
struct World {
    connection: Connection,
    model: Model,
    boot: Boot,
    now: i64,
    /// The last claim of each job: its fence.
    fences: HashMap<i64, Fence>,
}

impl World {
    fn step(&mut self, random: &mut Random) {
        let now = self.now;
        match random.below(20) {
            0..=5 => {
                let key = format!("k{}", random.below(30));
                let key = (random.below(2) == 0).then_some(key);
                let priority = random.pick(&Priority::ALL).unwrap();
                let new = job(random.pick(&KINDS).unwrap(), key.as_deref(), priority);
                let added = insert(&self.connection, &new, now).unwrap().into_job();
                self.model.add(&new, added.id.0, now);
            }
            6..=9 => {
                let (kind, limit) = (random.pick(&KINDS).unwrap(), random.below(4));
                let claimed = claim(&self.connection, kind, limit, self.boot, now).unwrap();
                let ids: Vec<i64> = claimed.iter().map(|job| job.id.0).collect();
                assert_eq!(ids, self.model.claim(kind, limit), "{kind}");
                self.fences.extend(claimed.iter().map(|job| (job.id.0, fence(job, self.boot))));
            }
            10..=13 => self.end_one(random),
            14 => {
                let Some(id) = random.pick(&self.model.ids(&["waiting", "delayed", "running", "completed"]))
                else {
                    return;
                };
                cancel(&self.connection, JobId(id), now).unwrap();
                self.model.cancel(id, now);
            }
            15 => {
                let (kind, is_paused) = (random.pick(&KINDS).unwrap(), random.below(3) == 0);
                let changed = set_paused(&self.connection, kind, is_paused).unwrap();
                let model =
                    if is_paused { self.model.paused.insert(kind) } else { self.model.paused.remove(kind) };
                assert_eq!(changed, model);
            }
            16..=18 => {
                self.now += [10, 3_000, 400_000, 5 * HOUR][random.below(4)];
                promote(&self.connection, self.now).unwrap();
                self.model.promote(self.now);
                clean(&self.connection, self.now).unwrap();
                self.model.clean(self.now);
            }
            _ => {
                // The server dies, and another one begins.
                self.boot = begin_boot(&self.connection, now).unwrap();
                let running = self.model.ids(&["running", "cancelling"]);
                assert_eq!(recover(&self.connection, self.boot, &POLICY, now).unwrap(), running.len());
                for id in running {
                    self.model.end(id, Ended::Interrupted, now);
                }
            }
        }
    }

    fn end_one(&mut self, random: &mut Random) {
        let ended = random.pick(&[Ended::Completed, Ended::Completed, Ended::Failed, Ended::Hopeless]);
        let Some(id) = random.pick(&self.model.ids(&["running", "cancelling"])) else { return };
        let (ended, fence) = (ended.unwrap(), self.fences[&id]);
        // Late news of another attempt or another life changes nothing.
        for late in
            [Fence { attempt: fence.attempt + 1, ..fence }, Fence { boot: Boot(fence.boot.0 + 1), ..fence }]
        {
            assert_eq!(end(&self.connection, late, &POLICY, outcome(ended), (0, self.now)).unwrap(), None);
        }
        let state = end(&self.connection, fence, &POLICY, outcome(ended), (0, self.now)).unwrap();
        self.model.end(id, ended, self.now);
        assert_eq!(state.unwrap().name(), self.model.rows[&id].state);
        // Nor does the same news twice.
        assert_eq!(end(&self.connection, fence, &POLICY, outcome(ended), (0, self.now)).unwrap(), None);
    }

    fn compare(&self) {
        let jobs = list(&self.connection, &Filter::default(), usize::MAX).unwrap();
        let found: Vec<_> = jobs
            .iter()
            .rev()
            .map(|job| (job.id.0, job.state.name(), job.attempts, job.rank, job.kind.as_str()))
            .collect();
        let model: Vec<_> = self
            .model
            .rows
            .iter()
            .map(|(id, row)| (*id, row.state, row.attempts, row.rank, row.kind))
            .collect();
        assert_eq!(found, model);
        let mut waiting: HashMap<&str, (u64, u64)> = HashMap::new();
        for row in self.model.rows.values() {
            let of_kind = waiting.entry(row.kind).or_default();
            of_kind.0 += u64::from(row.state == "waiting");
            of_kind.1 += u64::from(row.state == "delayed");
        }
        for Waiting { kind, waiting: now, delayed, .. } in super::waiting(&self.connection).unwrap() {
            assert_eq!((now, delayed), waiting[&*kind], "{kind}");
        }
    }
}

#[test]
fn a_claim_is_planned_once_whatever_its_limit() {
    let (_folder, connection) = database();
    let boot = begin_boot(&connection, 0).unwrap();
    for limit in [1, 2, 128, 1, 0] {
        insert(&connection, &job("a", None, Priority::Normal), 0).unwrap();
        claim(&connection, "a", limit, boot, 0).unwrap();
    }
    let claim = connection.prepare_cached(CLAIM).unwrap();
    let counts = [StatementStatus::Run, StatementStatus::RePrepare].map(|status| claim.get_status(status));
    assert_eq!(counts, [5, 0], "runs of the one that is kept, and plans besides the first");
}

#[test]
fn ten_thousand_operations_do_what_the_model_says() {
    for seed in [1, 7] {
        let (_folder, connection) = database();
        // The disk is another test's matter.
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        let boot = begin_boot(&connection, 0).unwrap();
        let fences = HashMap::new();
        let mut world = World { connection, model: Model::default(), boot, now: 1_000_000_000_000, fences };
        let mut random = Random(seed);
        for at in 0..5_000 {
            world.step(&mut random);
            if at % 100 == 0 {
                world.compare();
            }
        }
        world.compare();
        assert!(world.model.last > 1000, "few jobs were added: {}", world.model.last);
    }
}

#[test]
fn a_job_with_a_known_key_is_the_known_one_until_it_ends() {
    let (_folder, connection) = database();
    let boot = begin_boot(&connection, 0).unwrap();
    let new = job("a", Some("film"), Priority::Normal);
    let first = insert(&connection, &new, 1).unwrap().into_job();
    assert!(matches!(insert(&connection, &new, 2).unwrap(), Added::Known(job) if job.id == first.id));
    let claimed = claim(&connection, "a", 9, boot, 3).unwrap();
    assert!(matches!(insert(&connection, &new, 4).unwrap(), Added::Known(_)), "it runs");
    assert!(matches!(cancel(&connection, first.id, 5).unwrap(), Cancelling::Running(_)));
    let second = insert(&connection, &new, 6).unwrap();
    assert!(matches!(&second, Added::New(_)), "the first one is on its way out");
    end(&connection, fence(&claimed[0], boot), &POLICY, outcome(Ended::Failed), (0, 7)).unwrap();
    let first = get(&connection, first.id).unwrap().unwrap();
    assert_eq!(first.state, State::Cancelled { at: 7 });
}

#[test]
fn no_more_than_a_thousand_completed_jobs_are_kept() {
    let (_folder, connection) = database();
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    let boot = begin_boot(&connection, 0).unwrap();
    for now in 0..1700 {
        let new = job("a", None, Priority::Normal);
        insert(&connection, &new, now).unwrap();
        let claimed = claim(&connection, "a", 1, boot, now).unwrap();
        end(&connection, fence(&claimed[0], boot), &POLICY, outcome(Ended::Completed), (0, now)).unwrap();
    }
    assert_eq!([(); 3].map(|()| clean(&connection, 2000).unwrap()), [500, 200, 0]);
    let kept = list(&connection, &Filter::default(), usize::MAX).unwrap();
    assert_eq!((kept.len(), kept[999].id), (1000, JobId(701)));
}
