//! What the layer wrote of a run, added up: for each function, what the requests of both groups experienced.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calls::{CallsSummary, most_called};
use crate::layer::Stage;
use crate::names::FunctionName;
use crate::sketch::{Counts, Seen};

/// What one environment of a function wrote: the item as the layer writes it. What is not known is ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SketchRecord {
    /// The function, without version or alias.
    pub function_arn: String,
    /// The environment.
    pub environment: String,
    /// The window of the run.
    pub stage: Stage,
    /// What was seen of both groups.
    #[serde(flatten)]
    pub seen: Seen,
    /// How many writes of this are not known to have arrived.
    #[serde(default)]
    pub lost_writes: u64,
    /// When the environment began to count, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
}

/// What the layer of one environment could not do for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerProblems {
    /// The function, without version or alias.
    pub function_arn: String,
    /// What it refused or could not do, in words.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// All that the layers wrote in one stage of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Written {
    /// What was seen.
    pub sketches: Vec<SketchRecord>,
    /// What could not be done, in any stage.
    pub problems: Vec<LayerProblems>,
}

/// What the layer saw of one function in one stage, all environments together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FunctionSeen {
    /// How many environments wrote.
    pub environments: u32,
    /// What they saw.
    pub seen: Seen,
    /// When the first of them began to count, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// How many writes are not known to have arrived. What they held is in later ones, unless the last was lost.
    pub lost_writes: u64,
    /// What was refused or could not be done, each once.
    pub problems: Vec<String>,
}

impl Written {
    /// What was written of one function.
    pub fn of(&self, function_arn: &str) -> FunctionSeen {
        let mut sum = FunctionSeen::default();
        for record in self
            .sketches
            .iter()
            .filter(|record| record.function_arn == function_arn)
        {
            sum.environments = sum.environments.saturating_add(1);
            sum.seen.merge(&record.seen);
            sum.since_ms = sum.since_ms.into_iter().chain(record.since_ms).min();
            sum.lost_writes = sum.lost_writes.saturating_add(record.lost_writes);
        }
        let problems = self.problems.iter().filter(|item| item.function_arn == function_arn);
        for problem in problems.flat_map(|item| &item.problems) {
            if !sum.problems.contains(problem) {
                sum.problems.push(problem.clone());
            }
        }
        sum
    }
}

/// What callers of one group experienced, as the record of a run keeps it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupSummary {
    /// Requests, however they ended.
    pub requests: u64,
    /// Those without an answer of the function, timeouts included.
    pub errors: u64,
    /// Those answered with an HTTP status from 500 to 599.
    pub http_5xx: u64,
    /// Those without an answer before the deadline.
    pub timeouts: u64,
    /// Those that met a fault.
    pub injected: u64,
    /// Half of the callers waited at most this long, in milliseconds.
    pub p50: Option<f64>,
    /// 99 of 100 callers waited at most this long, in milliseconds.
    pub p99: Option<f64>,
    /// The calls that these requests made to other services, by dependency: at most
    /// [`MAX_DEPENDENCIES`](crate::calls::MAX_DEPENDENCIES), and all others together.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, CallsSummary>,
}

impl GroupSummary {
    /// The summary of a group, in which the dependencies of these names are told apart.
    fn of(counts: &Counts, names: &[String]) -> GroupSummary {
        let calls = counts.calls.kept(|name| names.iter().any(|kept| kept == name));
        GroupSummary {
            requests: counts.requests,
            errors: counts.errors,
            http_5xx: counts.http_5xx,
            timeouts: counts.timeouts,
            injected: counts.injected,
            p50: counts.durations.quantile(0.5),
            p99: counts.durations.quantile(0.99),
            calls: calls
                .iter()
                .map(|(name, counts)| (name.to_owned(), counts.into()))
                .collect(),
        }
    }
}

/// What the layer saw of one function in one stage, as the record of a run keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeenSummary {
    /// The function.
    pub function: FunctionName,
    /// The window of the run.
    pub stage: Stage,
    /// How many environments wrote.
    pub environments: u32,
    /// Requests without the fault.
    pub control: GroupSummary,
    /// Requests with the fault.
    pub experimental: GroupSummary,
    /// What requests were told apart by, and how many: `field`, `trace_root` or `request_id`.
    #[serde(default)]
    pub keys: BTreeMap<String, u64>,
    /// When the first of the environments began to count, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// How many writes are not known to have arrived.
    #[serde(default)]
    pub lost_writes: u64,
    /// What the layer refused or could not do, in words.
    #[serde(default)]
    pub problems: Vec<String>,
}

impl SeenSummary {
    /// The summary of what was seen of a function.
    pub fn of(function: &FunctionName, stage: Stage, seen: &FunctionSeen) -> SeenSummary {
        let Seen { control, experimental } = &seen.seen;
        let sum = |of: fn(&Counts) -> u64| of(control).saturating_add(of(experimental));
        let keys = [
            ("field", sum(|counts| counts.by_field)),
            ("trace_root", sum(|counts| counts.by_trace_root)),
            ("request_id", sum(|counts| counts.by_request_id)),
        ];
        let names = most_called(&control.calls, &experimental.calls);
        SeenSummary {
            function: function.clone(),
            stage,
            environments: seen.environments,
            control: GroupSummary::of(control, &names),
            experimental: GroupSummary::of(experimental, &names),
            keys: keys
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(kind, count)| (kind.to_owned(), count))
                .collect(),
            since_ms: seen.since_ms,
            lost_writes: seen.lost_writes,
            problems: seen.problems.clone(),
        }
    }

    /// Requests of both groups.
    pub fn requests(&self) -> u64 {
        self.control.requests.saturating_add(self.experimental.requests)
    }
}
