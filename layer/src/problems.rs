//! What the layer could not do for a run, and why: leases that it refused, faults that could not begin, caps of the
//! owner. Written to the table, so that whoever looks at the run sees it, and not only the function's log.

use inoculate_core::layer::{SCHEMA_VERSION, problems_key};
use inoculate_core::names::RunId;
use serde_json::{Value, json};

/// How many problems of a run are kept. More only say the same in other words.
const MAX_PROBLEMS: usize = 5;

/// How many characters of a problem are kept.
const MAX_CHARS: usize = 500;

/// How many runs are remembered. A function has one at a time.
const MAX_RUNS: usize = 4;

/// The problems of one run.
#[derive(Debug)]
struct OfRun {
    run: RunId,
    problems: Vec<String>,
    unwritten: bool,
}

/// The problems that came up in this environment.
#[derive(Debug, Default)]
pub struct Problems(Vec<OfRun>);

impl Problems {
    /// Remembers a problem, if it is a new one and there is room.
    pub fn add(&mut self, run: &RunId, problem: &str) {
        let place = self.0.iter().position(|known| known.run == *run).unwrap_or_else(|| {
            if self.0.len() == MAX_RUNS {
                self.0.remove(0);
            }
            self.0.push(OfRun {
                run: run.clone(),
                problems: Vec::new(),
                unwritten: false,
            });
            self.0.len() - 1
        });
        let problem: String = problem.chars().take(MAX_CHARS).collect();
        if let Some(known) = self.0.get_mut(place)
            && known.problems.len() < MAX_PROBLEMS
            && !known.problems.contains(&problem)
        {
            known.problems.push(problem);
            known.unwritten = true;
        }
    }

    /// Whether something is not written yet.
    pub fn is_unwritten(&self) -> bool {
        self.0.iter().any(|known| known.unwritten)
    }

    /// The next item to write, oldest first, and its run. It counts as written until it is said to be lost.
    pub fn take(&mut self, function_arn: &str, environment: &str, now_ms: u64) -> Option<(RunId, Value)> {
        let known = self.0.iter_mut().find(|known| known.unwritten)?;
        known.unwritten = false;
        let function = function_arn.rsplit(':').next().unwrap_or_default();
        let (pk, sk) = problems_key(&known.run, function, environment);
        let item = json!({
            "PK": pk,
            "SK": sk,
            "schema_version": SCHEMA_VERSION,
            "run_id": known.run,
            "function_arn": function_arn,
            "environment": environment,
            "problems": known.problems,
            "written_at_ms": now_ms,
            "expires_at": crate::outbox::expires_at(now_ms),
        });
        Some((known.run.clone(), item))
    }

    /// A write was lost.
    pub fn lost(&mut self, run: &RunId) {
        if let Some(known) = self.0.iter_mut().find(|known| known.run == *run) {
            known.unwritten = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";

    fn run(name: &str) -> RunId {
        name.parse().unwrap()
    }

    fn taken(problems: &mut Problems) -> Option<Value> {
        problems.take(ARN, "e1", 1_000).map(|(_, item)| item)
    }

    #[test]
    fn a_set_of_problems_is_written_once() {
        let mut problems = Problems::default();
        assert_eq!(taken(&mut problems), None);
        problems.add(&run("r-1"), "a");
        problems.add(&run("r-1"), "a");
        assert_eq!(
            taken(&mut problems),
            Some(json!({
                "PK": "RUN#r-1#SKETCH#11", "SK": "shop#e1#problems", "schema_version": 1, "run_id": "r-1",
                "function_arn": ARN, "environment": "e1", "problems": ["a"], "written_at_ms": 1_000,
                "expires_at": 10_368_001,
            }))
        );
        problems.add(&run("r-1"), "a");
        assert_eq!(taken(&mut problems), None);
        problems.add(&run("r-1"), "b");
        assert_eq!(taken(&mut problems).unwrap()["problems"], json!(["a", "b"]));
        problems.lost(&run("r-1"));
        assert_eq!(taken(&mut problems).unwrap()["problems"], json!(["a", "b"]));
        assert!(!problems.is_unwritten());
    }

    #[test]
    fn there_are_few_and_none_is_long() {
        let mut problems = Problems::default();
        for number in 0..9 {
            problems.add(&run("r-1"), &format!("{number}{}", "ä".repeat(600)));
        }
        let item = taken(&mut problems).unwrap();
        let kept = item["problems"].as_array().unwrap();
        let lengths: Vec<usize> = kept.iter().map(|kept| kept.as_str().unwrap().chars().count()).collect();
        assert_eq!(lengths, [500; 5]);
        problems.add(&run("r-1"), "one more");
        assert!(!problems.is_unwritten(), "what is not kept is not written");
        for number in 0..9 {
            problems.add(&run(&format!("r-{number}")), "x");
        }
        assert_eq!(problems.0.len(), MAX_RUNS);
    }
}
