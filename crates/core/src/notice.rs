//! What people and programs are told of a run, and of the kill switch.
//!
//! One [`Notice`] is told in two ways: as a message that a person reads ([`Notice::subject`], [`Notice::body`]), and as an
//! EventBridge event that a program reads ([`Notice::detail_type`], [`Notice::detail`]). `docs/events.md` shows them all; a
//! test writes it from here. Pure: the adapters send it, the steps decide when.

mod plain;
mod words;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, Fault};
use crate::judge::Verdict;
use crate::names::{EnvironmentName, FunctionName, RunId};
use crate::ports::{Evaluation, Grounds, Halt};
use crate::run::{Cause, Ending, Run, Status};

pub use plain::is_unsafe;
use plain::{LINE, TEXT, plain, plain_lines};

/// The source of the events, by which rules of EventBridge find them.
pub const SOURCE: &str = "inoculate";

/// The layout of a notice. It rises when a field changes its meaning or goes; new fields come without it.
pub const SCHEMA_VERSION: u32 = 1;

/// The largest event that EventBridge takes, in bytes, with its source, type, time and resources.
///
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>
pub const LARGEST_EVENT: usize = 256 * 1024;

/// How long telling may take. Whoever tells gives up after it, for nothing may wait for people to be told.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// What happened, as a stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A run has started. It touches nothing yet: it measures the steady state.
    RunStarted,
    /// The steady state held, and faults are about to be injected.
    InjectionBeginning,
    /// A run is ending before its time, and everything is being put back.
    RunEndingEarly,
    /// Something that a run set could not be put back. A person is needed.
    RollbackFailed,
    /// What could not be put back at first is back.
    RollbackRecovered,
    /// A run is over, with a verdict.
    RunFinished,
    /// A run was refused: it has injected nothing.
    RunRefused,
    /// The kill switch was set: nothing starts any more.
    Halted,
    /// The kill switch was lifted.
    Resumed,
}

impl Kind {
    /// Every kind, in the order in which they may come.
    pub const ALL: [Kind; 9] = [
        Kind::RunStarted,
        Kind::InjectionBeginning,
        Kind::RunEndingEarly,
        Kind::RollbackFailed,
        Kind::RollbackRecovered,
        Kind::RunFinished,
        Kind::RunRefused,
        Kind::Halted,
        Kind::Resumed,
    ];

    /// The name in `detail.kind`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::RunStarted => "run_started",
            Kind::InjectionBeginning => "injection_beginning",
            Kind::RunEndingEarly => "run_ending_early",
            Kind::RollbackFailed => "rollback_failed",
            Kind::RollbackRecovered => "rollback_recovered",
            Kind::RunFinished => "run_finished",
            Kind::RunRefused => "run_refused",
            Kind::Halted => "halted",
            Kind::Resumed => "resumed",
        }
    }

    /// The `detail-type` of the event.
    pub fn detail_type(self) -> &'static str {
        match self {
            Kind::RunStarted => "Inoculate Run Started",
            Kind::InjectionBeginning => "Inoculate Injection Beginning",
            Kind::RunEndingEarly => "Inoculate Run Ending Early",
            Kind::RollbackFailed => "Inoculate Rollback Failed",
            Kind::RollbackRecovered => "Inoculate Rollback Recovered",
            Kind::RunFinished => "Inoculate Run Finished",
            Kind::RunRefused => "Inoculate Run Refused",
            Kind::Halted => "Inoculate Halted",
            Kind::Resumed => "Inoculate Resumed",
        }
    }
}

/// What people and programs are told. Its JSON is the `detail` of the event.
///
/// Every text in it is of one line and of limited length, so that nothing that was written into an experiment can pass for
/// something that Inoculate says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Inoculate notice")]
pub struct Notice {
    /// The layout of this notice. It rises when a field changes its meaning or goes; new fields come without it.
    pub schema_version: u32,
    /// Names the notice. The same one may be told twice, with the same id: drop what you have seen.
    pub id: String,
    /// What happened.
    pub kind: Kind,
    /// When, in UTC.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// The stack of Inoculate that tells it.
    pub stack: String,
    /// The run; absent where it is about no single run: `halted` and `resumed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<About>,
    /// How and why the run ends, once it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// Whether nothing of the run is left in any target; absent while the run goes as planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<bool>,
    /// What came of the run: in `run_finished` and `run_refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Outcome>,
    /// What could not be put back: in `rollback_failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The kill switch: in `halted`, and in `resumed` as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<Halt>,
    /// The `resources` of the event: the ARN of the execution, then those of the functions.
    #[serde(skip)]
    pub resources: Vec<String>,
}

/// The run that a notice is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct About {
    /// The run.
    pub id: RunId,
    /// The number of the last entry of its journal. Of two notices of a run, the one with the higher number is the later one.
    pub journal: u64,
    /// The name of its experiment; `-` when it could not be read.
    pub experiment: String,
    /// The environment that the experiment names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// What should stay true while the faults are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypothesis: Option<String>,
    /// The ARN of its execution in Step Functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_arn: Option<String>,
    /// The functions that faults may touch.
    pub functions: Vec<FunctionName>,
    /// What goes wrong in them, in words.
    pub faults: Vec<String>,
    /// Percent of the requests that meet the faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// When it was recorded.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub opened_at: Timestamp,
    /// From when on faults may be there: as planned, or as it was. Absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub faults_from: Option<Timestamp>,
    /// Until when: as planned at the latest, or as it was. Absent when there are none, or when they are being taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub faults_until: Option<Timestamp>,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// How the run ended.
    pub status: Status,
    /// What was found.
    pub verdict: Verdict,
    /// Why, as a stable name.
    pub grounds: Grounds,
    /// Why, in words.
    pub because: String,
    /// Whether the steady state came back; absent when nothing was injected, or nobody could judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Verdict>,
}

/// What could not be put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What, and why not.
    pub detail: String,
    /// The commands that put it back, for a person to type.
    pub by_hand: Vec<String>,
}

/// What happened in a run that people are told of.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// It has started.
    Started,
    /// The steady state held, and faults are about to be injected.
    InjectionBegins,
    /// It ends early; see [`is_early`].
    EndsEarly {
        /// Whether everything is back already.
        settled: bool,
    },
    /// Something could not be put back.
    RollbackFailed(Failure),
    /// What could not be put back at first is back.
    RolledBackAfterAll,
    /// The record was closed with this.
    Closed {
        /// What was found.
        verdict: Verdict,
        /// Why, as a stable name.
        grounds: Grounds,
        /// Why, in words.
        because: String,
        /// Whether the steady state came back.
        recovered: Option<Verdict>,
    },
}

impl News {
    /// That a record was closed with this evaluation.
    pub fn closed(evaluation: &Evaluation) -> News {
        News::Closed {
            verdict: evaluation.verdict,
            grounds: evaluation.grounds,
            because: evaluation.because.clone(),
            recovered: evaluation.recovered,
        }
    }
}

/// Whether a run that ends like this ends before its time, so that people are told at once. One that is refused has not
/// begun; they are told when it is closed, a moment later.
pub fn is_early(ending: &Ending) -> bool {
    let as_planned = matches!(ending.cause, Cause::WindowOver | Cause::Established);
    !as_planned && ending.status != Status::Refused
}

impl Notice {
    /// The notice of what happened in a run of this stack. `experiment` is `None` where it cannot be read; the notice says
    /// less then.
    pub fn of_run(stack: &str, news: &News, run: &Run, experiment: Option<&Experiment>, at: Timestamp) -> Notice {
        let kind = match news {
            News::Started => Kind::RunStarted,
            News::InjectionBegins => Kind::InjectionBeginning,
            News::EndsEarly { .. } => Kind::RunEndingEarly,
            News::RollbackFailed(_) => Kind::RollbackFailed,
            News::RolledBackAfterAll => Kind::RollbackRecovered,
            News::Closed { .. } if run.status == Status::Refused => Kind::RunRefused,
            News::Closed { .. } => Kind::RunFinished,
        };
        let settled = match news {
            News::Started | News::InjectionBegins => None,
            News::EndsEarly { settled } => Some(*settled),
            News::RollbackFailed(_) => Some(false),
            News::RolledBackAfterAll | News::Closed { .. } => Some(true),
        };
        let mut notice = Notice::new(stack, kind, format!("{}/{}", run.id, kind.name()), at);
        notice.run = Some(about(kind, settled, run, experiment, at));
        notice.ending = run.ending.as_ref().map(|ending| Ending {
            detail: plain(&ending.detail, TEXT),
            ..ending.clone()
        });
        notice.settled = settled;
        notice.result = outcome(news, run);
        notice.failure = match news {
            News::RollbackFailed(Failure { detail, by_hand }) => Some(Failure {
                detail: plain(detail, TEXT),
                by_hand: plain_lines(by_hand, LINE),
            }),
            _ => None,
        };
        let functions = run.functions.iter().map(|function| &function.arn);
        let resources = run.execution_arn.iter().chain(functions).cloned();
        notice.resources = plain_lines(&resources.collect::<Vec<_>>(), LINE);
        notice
    }

    /// The notice that the kill switch was set.
    pub fn halted(stack: &str, halt: &Halt) -> Notice {
        let mut notice = Notice::new(stack, Kind::Halted, format!("halt/{}/halted", halt.since), halt.since);
        notice.halt = Some(tidy(halt));
        notice
    }

    /// The notice that the kill switch, as it was, was lifted.
    pub fn resumed(stack: &str, halt: &Halt, at: Timestamp) -> Notice {
        let mut notice = Notice::new(stack, Kind::Resumed, format!("halt/{}/resumed", halt.since), at);
        notice.halt = Some(tidy(halt));
        notice
    }

    fn new(stack: &str, kind: Kind, id: String, at: Timestamp) -> Notice {
        Notice {
            schema_version: SCHEMA_VERSION,
            id,
            kind,
            at,
            stack: plain(stack, LINE),
            run: None,
            ending: None,
            settled: None,
            result: None,
            failure: None,
            halt: None,
            resources: vec![],
        }
    }

    /// The `detail-type` of the event.
    pub fn detail_type(&self) -> &'static str {
        self.kind.detail_type()
    }

    /// The `detail` of the event, as JSON. With the resources it is always smaller than [`LARGEST_EVENT`].
    pub fn detail(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The first line of the message: what happened to what. Not limited to what SNS takes as a subject.
    pub fn subject(&self) -> String {
        words::subject(self)
    }

    /// The message: what happened, then who, where, until when and how to stop it, then the rest.
    pub fn body(&self) -> String {
        words::body(self)
    }

    /// The JSON Schema of [`Notice::detail`], generated from the types. `docs/event.schema.json` is a copy of it.
    pub fn json_schema() -> serde_json::Value {
        crate::schema::of_notices()
    }
}

fn tidy(halt: &Halt) -> Halt {
    Halt {
        reason: plain(&halt.reason, TEXT),
        since: halt.since,
    }
}

fn about(kind: Kind, settled: Option<bool>, run: &Run, experiment: Option<&Experiment>, at: Timestamp) -> About {
    let named = || run.functions.iter().map(|function| function.name.clone()).collect();
    let faults = experiment.map_or(&[][..], |experiment| &experiment.faults);
    let faults: Vec<String> = faults.iter().map(Fault::describe).collect();
    let (faults_from, faults_until) = times(kind, settled, run, experiment, at);
    About {
        id: run.id.clone(),
        journal: run.version,
        experiment: plain(&run.experiment, LINE),
        environment: experiment.and_then(|experiment| experiment.environment.clone()),
        hypothesis: experiment.map(|experiment| plain(&experiment.hypothesis, TEXT)),
        execution_arn: run.execution_arn.as_ref().map(|arn| plain(arn, LINE)),
        functions: experiment.map_or_else(named, |experiment| experiment.blast_radius.functions.clone()),
        faults: plain_lines(&faults, LINE),
        percent: experiment.map(|experiment| experiment.blast_radius.percent),
        opened_at: run.opened_at,
        faults_from,
        faults_until,
    }
}

/// From when until when faults may be there, as far as it is known.
fn times(
    kind: Kind,
    settled: Option<bool>,
    run: &Run,
    experiment: Option<&Experiment>,
    at: Timestamp,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let planned = experiment.filter(|_| run.ending.is_none());
    let from = match kind {
        Kind::RunStarted => planned.map(|experiment| run.opened_at + baseline(experiment)),
        Kind::InjectionBeginning => Some(at),
        _ => run.injecting_at,
    };
    let Some(began) = from else {
        return (None, None);
    };
    let until = match settled {
        None => planned.map(|experiment| began + experiment.blast_radius.longest.signed()),
        Some(true) => run.rolled_back_at.or(Some(at)),
        Some(false) => None,
    };
    (from, until)
}

/// How long a run measures before it injects.
fn baseline(experiment: &Experiment) -> SignedDuration {
    let windows = &experiment.windows;
    SignedDuration::from_secs(i64::from(windows.baseline.secs()) + i64::from(windows.delay_secs()))
}

fn outcome(news: &News, run: &Run) -> Option<Outcome> {
    let News::Closed {
        verdict,
        grounds,
        because,
        recovered,
    } = news
    else {
        return None;
    };
    Some(Outcome {
        status: run.status,
        verdict: *verdict,
        grounds: *grounds,
        because: plain(because, TEXT),
        recovered: *recovered,
    })
}
