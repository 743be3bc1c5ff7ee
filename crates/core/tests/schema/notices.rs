//! One notice of each kind, as the examples of `docs/events.md` have them.

use inoculate_core::experiment::Experiment;
use inoculate_core::judge::Verdict;
use inoculate_core::names::RunId;
use inoculate_core::notice::{Failure, Kind, News, Notice};
use inoculate_core::ports::{Grounds, Halt};
use inoculate_core::read::experiment_from_value;
use inoculate_core::run::{Cause, Ending, Event, NewRun, Run, Status, TargetFunction};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

const ID: &str = "payments-throttled-20261121-124552-20c593";

/// Seconds after the example run was opened.
pub(crate) fn after(secs: i64) -> Timestamp {
    let opened: Timestamp = "2026-11-21T12:45:52Z".parse().unwrap();
    opened + SignedDuration::from_secs(secs)
}

/// The experiment of the examples.
pub(crate) fn experiment() -> Experiment {
    experiment_from_value(&json!({
        "name": "payments-throttled",
        "hypothesis": "Customers can still place orders when payments is throttled.",
        "environment": "production",
        "blast_radius": { "functions": ["shop-payments"], "percent": 100, "longest": "5m" },
        "windows": { "baseline": "5m", "round": "10s", "recovery": "5m" },
        "faults": [{ "kind": "reserved_concurrency", "function": "shop-payments", "executions": 0 }],
        "steady_state": [{
            "name": "failed-orders", "unit": "percent", "period": "10s",
            "metric": { "namespace": "Shop", "name": "Failed", "statistic": "Average", "dimensions": {} },
            "tolerance": { "at_most": 1 }
        }]
    }))
    .unwrap()
}

/// A run of it that was just opened.
pub(crate) fn opened() -> Run {
    let id: RunId = ID.parse().unwrap();
    let new = NewRun {
        execution_arn: Some(format!(
            "arn:aws:states:eu-west-1:123456789012:execution:inoculate-experiment:{ID}"
        )),
        id,
        experiment: "payments-throttled".to_owned(),
        digest: experiment().digest(),
        functions: vec![TargetFunction {
            name: "shop-payments".parse().unwrap(),
            arn: "arn:aws:lambda:eu-west-1:123456789012:function:shop-payments".to_owned(),
        }],
    };
    Run::open(new, String::new(), after(0)).0
}

pub(crate) fn then(run: &Run, event: &Event, secs: i64) -> Run {
    run.after(event, after(secs)).unwrap()
}

pub(crate) fn ends(status: Status, cause: Cause, detail: &str) -> Event {
    let detail = detail.to_owned();
    let ending = Ending { status, cause, detail };
    Event::RollbackBegan { ending }
}

pub(crate) fn closes(status: Status, verdict: Verdict) -> Event {
    Event::Closed { status, verdict }
}

pub(crate) fn closed(verdict: Verdict, grounds: Grounds, because: &str, recovered: Option<Verdict>) -> News {
    News::Closed {
        verdict,
        grounds,
        because: because.to_owned(),
        recovered,
    }
}

/// The notice of news of a run of the examples.
pub(crate) fn notice(news: &News, run: &Run, secs: i64) -> Notice {
    Notice::of_run("inoculate", news, run, Some(&experiment()), after(secs))
}

/// An example of a kind.
pub(crate) fn sample(kind: Kind) -> Notice {
    let steady = then(&opened(), &Event::BaselineHeld, 301);
    let injected = then(&then(&steady, &Event::InjectionBegan, 303), &Event::Injected, 304);
    let harm = "failed-orders deviated: 100 percent, at most 1 is tolerated";
    let ending = then(&injected, &ends(Status::Completed, Cause::Harm, harm), 325);
    let denied =
        "the reserved concurrency of shop-payments could not be put back to unreserved: AccessDenied: putting it back";
    let left = Failure {
        detail: denied.to_owned(),
        by_hand: vec!["aws lambda delete-function-concurrency --function-name shop-payments".to_owned()],
    };
    let detail = denied.to_owned();
    let stuck = then(&ending, &Event::RollbackFailed { detail }, 327);
    let halt = Halt {
        reason: "incident 4711".to_owned(),
        since: after(7_200),
    };
    match kind {
        Kind::RunStarted => notice(&News::Started, &opened(), 0),
        Kind::InjectionBeginning => notice(&News::InjectionBegins, &steady, 302),
        Kind::RunEndingEarly => notice(&News::EndsEarly { settled: true }, &ending, 327),
        Kind::RollbackFailed => notice(&News::RollbackFailed(left), &stuck, 328),
        Kind::RollbackRecovered => notice(&News::RolledBackAfterAll, &then(&stuck, &Event::RolledBack, 387), 388),
        Kind::RunFinished => {
            let back = then(&ending, &Event::RolledBack, 326);
            let over = then(&back, &closes(Status::Completed, Verdict::Deviated), 628);
            let news = closed(Verdict::Deviated, Grounds::Measures, harm, Some(Verdict::Upheld));
            notice(&news, &over, 628)
        }
        Kind::RunRefused => {
            let why = "the function shop-payments belongs to run payments-slow-20261121-124101-77ab10";
            let refused = then(&opened(), &ends(Status::Refused, Cause::Preflight, why), 1);
            let refused = then(&refused, &Event::RolledBack, 1);
            let over = then(&refused, &closes(Status::Refused, Verdict::Inconclusive), 2);
            let because = format!("nothing was injected: {why}");
            notice(
                &closed(Verdict::Inconclusive, Grounds::NotInjected, &because, None),
                &over,
                2,
            )
        }
        Kind::Halted => Notice::halted("inoculate", &halt),
        Kind::Resumed => Notice::resumed("inoculate", &halt, after(9_000)),
    }
}
