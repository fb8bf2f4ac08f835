use std::time::Duration;

use super::*;
use crate::time::Moment;

fn profile(name: &str) -> Profile {
    Profile::built_in().into_iter().find(|profile| profile.name.as_str() == name).unwrap()
}

fn settings(budget: Option<f64>) -> Settings {
    Settings { budget, max_jobs: None, profiles: Profile::built_in() }
}

/// A machine on which jobs cost what they really do: twice what was guessed.
struct Machine {
    admission: Admission,
    second: u64,
    processors: f64,
    /// What others take.
    others: f64,
    log: Vec<String>,
}

impl Machine {
    fn new(processors: f64) -> Self {
        let admission = Admission::new(settings(Some(0.8 * processors)));
        Self { admission, second: 0, processors, others: 0.1, log: Vec::new() }
    }

    fn ask(&mut self, name: &str, priority: i32) -> Result<JobId, NoCpu> {
        self.admission.request(Request { profile: profile(name), priority })
    }

    /// What a job takes where nobody is in its way.
    fn true_cost(profile: &Profile) -> f64 {
        match profile.name.as_str() {
            "high" => 0.5,
            "medium" => 0.3,
            "low" => 0.25,
            "potato" => 0.12,
            _ => 0.01,
        }
    }

    fn demand(&self) -> f64 {
        self.others + self.admission.jobs().map(|job| Self::true_cost(&job.profile)).sum::<f64>()
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.second += 1;
            let demand = self.demand();
            let share = (self.processors / demand).min(1.0);
            let waited = if share < 1.0 { 1.0 } else { 0.0 };
            let load = |job: JobReport| {
                let cpu = Self::true_cost(&job.profile) * share;
                (job.id, JobLoad { cpu, waited, is_steady: share >= 1.0 })
            };
            let jobs = self.admission.jobs().map(load).collect();
            let pressure = Some(if share < 1.0 { 60.0 } else { 2.0 });
            let sample = Sample { others: self.others * share, pressure, jobs };
            self.admission.handle_sample(Moment::new(Duration::from_secs(self.second)), &sample);
            while let Some(action) = self.admission.poll_action() {
                let text = match &action {
                    Action::Change(JobId(id), profile) => {
                        format!("t={} {id} -> {}", self.second, profile.name)
                    }
                    Action::Stop(JobId(id)) => format!("t={} stop {id}", self.second),
                };
                self.log.push(text);
                if let Action::Stop(id) = action {
                    self.admission.remove(id);
                }
            }
        }
    }
}

#[test]
fn built_in_profiles_go_down_one_by_one_and_copies_do_not() {
    let all = Profile::built_in();
    let mut names = vec!["high".to_owned()];
    let mut current = profile("high");
    while let Some(lower) = current.next_lower(&all) {
        names.push(lower.name.to_string());
        current = lower.clone();
    }
    assert_eq!(names, ["high", "medium", "low", "potato"]);
    assert_eq!(profile(Profile::BROWSER).next_lower(&all), None);
}

#[test]
fn jobs_are_let_in_until_the_budget_is_used_by_what_they_really_cost() {
    let mut machine = Machine::new(4.0);
    let mut count = 0;
    let refusal = loop {
        match machine.ask("low", 0) {
            Ok(_) => count += 1,
            Err(refusal) => break refusal,
        }
        // Long enough to learn.
        machine.run(60);
        assert!(count < 100);
    };
    // 3.2 processors, 0.1 for others, 0.25 each.
    assert_eq!(count, 12);
    assert!(matches!(refusal, NoCpu::Budget { needed, free } if needed > free), "{refusal:?}");
    assert!(machine.demand() <= 0.8 * 4.0, "{}", machine.demand());
    assert_eq!((&machine.log[..], machine.admission.summary().counts.refused), (&[][..], 1));
    // Who has room for a hundredth gets it, whatever else is not to be had.
    assert!(machine.ask("browser", 0).is_ok());
}

#[test]
fn a_hog_moves_profiles_down_and_then_stops_the_youngest_and_never_a_copy() {
    let mut machine = Machine::new(2.0);
    machine.ask("browser", -10).unwrap();
    machine.ask("high", 0).unwrap();
    machine.run(30);
    machine.ask("medium", 5).unwrap();
    machine.run(30);
    machine.others = 1.9;
    machine.run(120);
    assert_eq!(
        machine.log,
        [
            "t=71 1 -> medium",
            "t=81 1 -> low",
            "t=91 1 -> potato",
            "t=101 2 -> low",
            "t=111 2 -> potato",
            "t=121 stop 1",
            "t=131 stop 2",
        ]
    );
    assert!(matches!(machine.ask("potato", 0), Err(NoCpu::Budget { .. } | NoCpu::Pressure(_))));
}

#[test]
fn profiles_come_back_when_it_was_calm_for_long() {
    let mut machine = Machine::new(2.0);
    machine.ask("high", 0).unwrap();
    machine.run(30);
    machine.others = 1.7;
    machine.run(12);
    assert_eq!(machine.log, ["t=41 0 -> medium"]);
    machine.others = 0.1;
    machine.run(290);
    assert_eq!(machine.log.len(), 1, "{:?}", machine.log);
    machine.run(40);
    assert_eq!(machine.log.len(), 2, "{:?}", machine.log);
    assert!(machine.log[1].ends_with("0 -> high"), "{:?}", machine.log);
}

#[test]
fn a_limit_of_jobs_holds_and_without_a_budget_nothing_else_does() {
    let mut admission = Admission::new(Settings { max_jobs: Some(2), ..settings(None) });
    let request = || Request { profile: profile("high"), priority: 0 };
    let first = admission.request(request()).unwrap();
    admission.request(request()).unwrap();
    assert_eq!(admission.request(request()), Err(NoCpu::MaxJobs(2)));
    admission.remove(first);
    admission.request(request()).unwrap();
    let sample = Sample { others: 99.0, pressure: Some(99.0), jobs: Vec::new() };
    for second in 0..100 {
        admission.handle_sample(Moment::new(Duration::from_secs(second)), &sample);
    }
    assert_eq!(admission.poll_action(), None);
}

#[test]
fn names_are_checked() {
    for (text, expected) in [
        ("480p", Ok(())),
        ("", Err(ProfileNameError::Length)),
        ("a.ts", Err(ProfileNameError::Character('.'))),
        ("a@b", Err(ProfileNameError::Character('@'))),
    ] {
        assert_eq!(text.parse::<ProfileName>().map(drop), expected, "{text}");
    }
}
