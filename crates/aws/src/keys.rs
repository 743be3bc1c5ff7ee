//! The table in names: keys, index and attributes. No other file knows one of them, but for the template, which makes the
//! table; a test holds the names that are public here equal to those in it.
//!
//! | PK | SK | holds |
//! |---|---|---|
//! | `RUN#id` | `META` | the record of a run |
//! | `RUN#id` | `SPEC` | the experiment of the run |
//! | `RUN#id` | `EVENT#000007` | an entry of its journal |
//! | `RUN#id` | `UNDO#000` | an undo record |
//! | `RUN#id` | `BASELINE`, `OBS#0001`, `VERDICT` | results |
//! | `RUN#id#SKETCH#shard` | `function#environment#stage` | what the layer saw; `core::layer` has these keys |
//! | `TARGET#function-arn` | `LEASE` | the lease of a function |
//! | `TARGET#function-arn` | `ATTACHED` | what `inoculate attach` added, and what was there before |
//! | `EXPERIMENT#name` | `SPEC` | a saved experiment |
//! | `CONTROL` | `HALT` | the kill switch |
//!
//! Numbers in sort keys are padded with zeros, so that DynamoDB returns them in order.

use inoculate_core::names::{ExperimentName, RunId};
use inoculate_core::ports::RunResult;
use jiff::Timestamp;

/// The partition key.
pub const PK: &str = "PK";
/// The sort key.
pub const SK: &str = "SK";
/// When DynamoDB may delete the item, in seconds since 1970. Only tidies up; nothing is decided by it.
pub const EXPIRES_AT: &str = "expires_at";

/// The index that lists runs, newest first. Only `META` items have its keys.
pub const RUNS_INDEX: &str = "runs";
/// The partition key of [`RUNS_INDEX`].
pub const LIST_PK: &str = "list_pk";
/// The sort key of [`RUNS_INDEX`].
pub const LIST_SK: &str = "list_sk";
/// The one partition of [`RUNS_INDEX`].
pub(crate) const LIST_ALL: &str = "RUN";

/// The index of the runs that are not closed, oldest first. Its sort key is [`LIST_SK`]; it holds keys only.
pub const OPEN_INDEX: &str = "open";
/// The partition key of [`OPEN_INDEX`]. A `META` item has it until its run is closed.
pub const OPEN_PK: &str = "open_pk";
/// The one partition of [`OPEN_INDEX`].
pub(crate) const OPEN_ALL: &str = "OPEN";

// Attributes that conditions and updates name. They are the serde names of the fields in core; a test holds them equal.
/// `Run::phase`.
pub(crate) const PHASE: &str = "phase";
/// `Run::version`, and that of the record of an attached function.
pub(crate) const VERSION: &str = "version";
/// `Lease::run_id`.
pub(crate) const RUN_ID: &str = "run_id";
/// `Lease::role`.
pub(crate) const ROLE: &str = "role";
/// `Lease::fence`.
pub(crate) const FENCE: &str = "fence";
/// `Lease::expires_at_ms`.
pub(crate) const EXPIRES_AT_MS: &str = "expires_at_ms";
/// `Terms::stage` and `SketchRecord::stage`.
pub(crate) const STAGE: &str = "stage";
/// `SketchRecord::function_arn`.
pub(crate) const FUNCTION_ARN: &str = "function_arn";
/// `LayerProblems::problems`.
pub(crate) const PROBLEMS: &str = "problems";

/// The sort keys of the journal begin with this.
pub(crate) const EVENTS: &str = "EVENT#";
/// The sort keys of the undo records begin with this.
pub(crate) const UNDOS: &str = "UNDO#";
/// The sort keys of the observations begin with this.
pub(crate) const OBSERVATIONS: &str = "OBS#";

/// How long the records of a run are kept, in seconds: 120 days.
const KEEP_SECS: i64 = 120 * 24 * 3600;

/// The key of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The partition key.
    pub(crate) pk: String,
    /// The sort key.
    pub(crate) sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Key {
        let (pk, sk) = (pk.into(), sk.into());
        Key { pk, sk }
    }

    /// The record of a run.
    pub(crate) fn run(id: &RunId) -> Key {
        Key::new(run_partition(id), "META")
    }

    /// The experiment of a run.
    pub(crate) fn run_experiment(id: &RunId) -> Key {
        Key::new(run_partition(id), "SPEC")
    }

    /// An entry of the journal of a run.
    pub(crate) fn event(id: &RunId, number: u64) -> Key {
        Key::new(run_partition(id), format!("{EVENTS}{number:06}"))
    }

    /// An undo record of a run.
    pub(crate) fn undo(id: &RunId, number: u32) -> Key {
        Key::new(run_partition(id), format!("{UNDOS}{number:03}"))
    }

    /// The baseline of a run.
    pub(crate) fn baseline(id: &RunId) -> Key {
        Key::new(run_partition(id), "BASELINE")
    }

    /// The verdict of a run.
    pub(crate) fn verdict(id: &RunId) -> Key {
        Key::new(run_partition(id), "VERDICT")
    }

    /// A result of a run.
    pub(crate) fn result(id: &RunId, result: &RunResult) -> Key {
        match result {
            RunResult::Baseline(_) => Key::baseline(id),
            RunResult::Observation { round, .. } => Key::new(run_partition(id), format!("{OBSERVATIONS}{round:04}")),
            RunResult::Verdict(_) => Key::verdict(id),
        }
    }

    /// The lease of a function, by the ARN without version or alias.
    pub(crate) fn lease(function_arn: &str) -> Key {
        Key::new(format!("TARGET#{function_arn}"), "LEASE")
    }

    /// The partition of a part of what the layers wrote of a run.
    pub(crate) fn sketches(id: &RunId, shard: u8) -> String {
        format!("{}#SKETCH#{shard}", run_partition(id))
    }

    /// What was added to a function, by the ARN without version or alias.
    #[cfg(feature = "attach")]
    pub(crate) fn attached(function_arn: &str) -> Key {
        Key::new(format!("TARGET#{function_arn}"), "ATTACHED")
    }

    /// A saved experiment.
    pub(crate) fn experiment(name: &ExperimentName) -> Key {
        Key::new(format!("EXPERIMENT#{name}"), "SPEC")
    }

    /// The kill switch.
    pub(crate) fn halt() -> Key {
        Key::new("CONTROL", "HALT")
    }
}

/// The partition of everything that belongs to a run.
pub(crate) fn run_partition(id: &RunId) -> String {
    format!("RUN#{id}")
}

/// The run that a partition belongs to; `None` for any other partition.
pub(crate) fn run_of_partition(pk: &str) -> Option<RunId> {
    pk.strip_prefix("RUN#")?.parse().ok()
}

/// The place of a run in the list. The fraction has a fixed length, so that text order is time order.
pub(crate) fn list_sort_key(opened_at: Timestamp, id: &RunId) -> String {
    format!("{opened_at:.6}#{id}")
}

/// When everything of a run that was opened at this time may be deleted, in seconds since 1970.
pub(crate) fn run_expiry(opened_at: Timestamp) -> i64 {
    opened_at.as_second() + KEEP_SECS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use inoculate_core::layer::{SKETCH_SHARDS, Stage, sketch_key};
    use inoculate_core::lease::{Lease, LeaseRole, Terms};
    use inoculate_core::run::{NewRun, Run};

    use super::*;

    fn id() -> RunId {
        "r-1".parse().unwrap()
    }

    #[test]
    fn keys_are_as_documented() {
        let key = |key: Key| format!("{} {}", key.pk, key.sk);
        assert_eq!(key(Key::run(&id())), "RUN#r-1 META");
        assert_eq!(key(Key::run_experiment(&id())), "RUN#r-1 SPEC");
        assert_eq!(key(Key::event(&id(), 7)), "RUN#r-1 EVENT#000007");
        assert_eq!(key(Key::undo(&id(), 0)), "RUN#r-1 UNDO#000");
        assert_eq!(key(Key::baseline(&id())), "RUN#r-1 BASELINE");
        assert_eq!(key(Key::verdict(&id())), "RUN#r-1 VERDICT");
        assert_eq!(key(Key::lease("arn:f")), "TARGET#arn:f LEASE");
        #[cfg(feature = "attach")]
        assert_eq!(key(Key::attached("arn:f")), "TARGET#arn:f ATTACHED");
        assert_eq!(key(Key::experiment(&"e".parse().unwrap())), "EXPERIMENT#e SPEC");
        assert_eq!(key(Key::halt()), "CONTROL HALT");
    }

    #[test]
    fn a_run_is_known_by_its_partition() {
        assert_eq!(run_of_partition(&run_partition(&id())), Some(id()));
        for other in ["CONTROL", "TARGET#arn:f", "RUN#", &Key::sketches(&id(), 3)] {
            assert_eq!(run_of_partition(other), None, "{other}");
        }
    }

    /// Names have no `#` (`core::names`), so nobody can name a run or an experiment so that its key is that of something else.
    #[test]
    fn no_name_leads_to_the_key_of_something_else() {
        let names = ["META", "CONTROL", "..", "r.SKETCH.0", "TARGET", "-", "0000001", "_"];
        let of = |name: &str| {
            let id: RunId = name.parse().unwrap();
            let mut keys = vec![Key::run(&id).pk, Key::sketches(&id, 0)];
            keys.extend(name.parse().map(|name| Key::experiment(&name).pk));
            assert_eq!(run_of_partition(&keys[0]), Some(id));
            keys
        };
        let keys: Vec<String> = names
            .into_iter()
            .flat_map(of)
            .chain([Key::lease("f").pk, Key::halt().pk])
            .collect();
        let different: BTreeSet<&String> = keys.iter().collect();
        assert_eq!(different.len(), keys.len(), "{keys:?}");
        for key in &keys {
            let separators = key.matches('#').count();
            let expected = if key.contains("#SKETCH#") {
                3
            } else {
                usize::from(key != "CONTROL")
            };
            assert_eq!(separators, expected, "{key}");
        }
    }

    #[test]
    fn numbers_sort_as_text() {
        let sorted: BTreeSet<String> = (1..=1_000).map(|n| Key::event(&id(), n).sk).collect();
        assert!(
            sorted
                .iter()
                .eq((1..=1_000).map(|n| Key::event(&id(), n).sk).collect::<Vec<_>>().iter())
        );
    }

    #[test]
    fn the_list_sorts_by_time_even_within_a_second() {
        let early = list_sort_key("2026-01-01T00:00:00Z".parse().unwrap(), &id());
        let late = list_sort_key("2026-01-01T00:00:00.5Z".parse().unwrap(), &id());
        assert!(early < late, "{early} {late}");
        assert_eq!(early, "2026-01-01T00:00:00.000000Z#r-1");
    }

    #[test]
    fn sketches_are_read_where_the_layer_writes_them() {
        let partitions: Vec<String> = (0..SKETCH_SHARDS).map(|shard| Key::sketches(&id(), shard)).collect();
        for environment in 0..50 {
            let (pk, _) = sketch_key(&id(), "f", &environment.to_string(), Stage::Baseline);
            assert!(partitions.contains(&pk), "{pk}");
        }
    }

    #[test]
    fn names_in_expressions_are_the_names_in_the_items() {
        let new = NewRun {
            id: id(),
            experiment: "e".into(),
            digest: "d".into(),
            execution_arn: None,
            functions: Vec::new(),
        };
        let (run, _) = Run::open(new, "t".into(), Timestamp::UNIX_EPOCH);
        let run = serde_json::to_value(run).unwrap();
        let lease = serde_json::to_value(Lease {
            schema_version: 1,
            function: "f".parse().unwrap(),
            function_arn: "arn".into(),
            run_id: id(),
            fence: 1,
            role: LeaseRole::Observe,
            expires_at_ms: 1,
            terms: Some(Terms {
                stage: Stage::Baseline,
                salt: "s".into(),
                percent: 1.0,
                key: None,
                faults: vec![],
            }),
        })
        .unwrap();
        for name in [PHASE, VERSION] {
            assert!(run.get(name).is_some(), "{name}");
        }
        for name in [RUN_ID, ROLE, FENCE, EXPIRES_AT_MS, STAGE, FUNCTION_ARN] {
            assert!(lease.get(name).is_some(), "{name}");
        }
    }
}
