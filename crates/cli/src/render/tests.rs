//! What people read, as snapshots.

use std::collections::BTreeMap;

use inoculate_core::deployment::Deployment;
use inoculate_core::error::{Code, Error};
use inoculate_core::experiment::Experiment;
use inoculate_core::plan::Plan;
use inoculate_core::ports::{Function, Halt};
use inoculate_core::preflight::{CurrentSetting, Guard, Note, Preflight, Refusal};
use inoculate_core::run::Run;
use inoculate_core::setting::{Setting, SettingValue};
use inoculate_core::sizing::{Source, Traffic};
use insta::assert_snapshot;

use super::halt::{Ended, Halted};
use super::plan::Outlook;
use super::samples::{self, at};
use super::style::Style;
use super::text::WIDTH;
use super::{error, findings, halt, journal, list, plan, progress, run};
use crate::connection::RollbackAnswer;
use inoculate_core::details::RunDetails;

/// Text that fits a terminal of 80 columns, except for commands to copy.
fn fits(text: String) -> String {
    for line in text.lines() {
        let is_command = line.starts_with("  aws ");
        assert!(is_command || line.chars().count() <= WIDTH, "too wide: {line}");
        assert_eq!(line, line.trim_end(), "blanks at the end");
    }
    text
}

fn everything(details: &RunDetails) -> String {
    fits(run::everything(details, at(90), Style::PLAIN))
}

#[test]
fn a_running_run() {
    assert_snapshot!(everything(&samples::running()));
}

#[test]
fn a_run_that_upheld() {
    assert_snapshot!(everything(&samples::upheld()));
}

#[test]
fn a_run_that_upheld_but_did_not_recover() {
    let text = everything(&samples::not_recovered());
    let head: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("verdict"))
        .take(4)
        .collect();
    assert_snapshot!(head.join("\n"));
    let last = fits(run::result(&samples::not_recovered(), at(300), Style::PLAIN));
    let last: Vec<&str> = last.lines().rev().take(9).collect();
    assert_snapshot!(
        "what_a_person_sees_last_of_a_run_that_did_not_recover",
        last.into_iter().rev().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn a_run_that_deviated() {
    assert_snapshot!(everything(&samples::deviated()));
}

#[test]
fn a_run_of_the_layer() {
    assert_snapshot!(everything(&samples::layered()));
    let during = samples::layered().results.observations.remove(0);
    assert_snapshot!(
        "progress_of_groups",
        fits(findings::brief(&during.findings, Style::PLAIN))
    );
}

#[test]
fn a_plan_of_the_layer() {
    let experiment = samples::layered().experiment.unwrap();
    let outlook = Outlook::of(experiment, None);
    assert_snapshot!(fits(plan::text(&outlook, Style::PLAIN)));
}

#[test]
fn a_plan_says_whether_there_will_be_enough_to_tell() {
    let mut experiment = samples::layered().experiment.unwrap();
    experiment.steady_state[1].tolerance.at_most = Some(20.0);
    let traffic = |per_second| Traffic {
        function: "shop-checkout".parse().unwrap(),
        source: Source::CloudWatch,
        requests: 34_560,
        per_second,
        busiest_per_second: per_second,
        is_continuous: true,
        error_percent: Some(0.5),
        http_5xx_percent: None,
        timeout_percent: None,
        p50_ms: Some(120.0),
        p99_ms: Some(700.0),
    };
    let text = |experiment: &Experiment, traffic: Vec<Traffic>| {
        let preflight = Preflight {
            traffic,
            ..Preflight::default()
        };
        let text = plan::text(&Outlook::of(experiment.clone(), Some(preflight)), Style::PLAIN);
        let from = text.find("enough to tell?").unwrap();
        let until = text.find("\n\nends early").unwrap();
        fits(text[from..until].to_owned())
    };
    let mut margins = experiment.clone();
    margins.blast_radius.percent = 10.0;
    margins.steady_state[1].tolerance.at_most = None;
    margins.steady_state[1].tolerance.above_control_at_most = Some(0.0);
    let texts = [
        text(&experiment, vec![traffic(40.0)]),
        text(&experiment, vec![traffic(3.2)]),
        text(&margins, vec![traffic(0.2)]),
        text(&experiment, vec![]),
    ];
    assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn a_refused_run() {
    assert_snapshot!(everything(&samples::refused()));
}

#[test]
fn a_failed_rollback() {
    assert_snapshot!(everything(&samples::rollback_failed()));
}

#[test]
fn progress_entry_by_entry() {
    let details = samples::running();
    let mut lines = Vec::new();
    for entry in &details.journal {
        lines.push(journal::news(entry, details.run.opened_at, Style::PLAIN));
    }
    for measured in &details.results.observations {
        lines.push(findings::brief(&measured.findings, Style::PLAIN));
    }
    assert_snapshot!(fits(lines.join("\n")));
}

#[test]
fn progress_phase_by_phase() {
    let plan = Plan::of(&samples::experiment());
    let line = |run: Option<&Run>, secs| progress::line(run, Some(&plan), at(secs), Style::PLAIN);
    let opened = {
        let mut run = samples::running().run;
        run.phase = inoculate_core::run::Phase::Opened;
        run
    };
    let recovering = {
        let mut run = samples::upheld().run;
        run.phase = inoculate_core::run::Phase::RolledBack;
        run
    };
    let lines = [
        line(None, 0),
        line(Some(&opened), 7),
        line(Some(&opened), 61),
        line(Some(&samples::running().run), 90),
        line(Some(&samples::rollback_failed().run), 95),
        line(Some(&recovering), 200),
    ];
    assert_snapshot!(fits(lines.join("\n")));
}

#[test]
fn a_run_with_alarms_of_its_own() {
    let mut details = samples::running();
    let without = everything(&details);
    assert!(!without.contains("alarms of its own"), "{without}");
    details.experiment.as_mut().unwrap().guards.abort_when = samples::own_alarms();
    let with = everything(&details);
    let alarms = "
alarms of its own
  Average of FailedOrders (Shop, Service checkout) above 5 in 2 of 3 periods of
  10s
  Sum of PlacedOrders (Shop) below 1 in a period of 1m, or without data
";
    assert!(with.contains(alarms), "{with}");
}

#[test]
fn a_list_of_runs() {
    let runs = [
        samples::running().run,
        samples::deviated().run,
        samples::refused().run,
        samples::rollback_failed().run,
    ];
    assert_snapshot!(fits(list::text(&runs, true, Style::PLAIN)));
    assert_snapshot!(list::text(&[], true, Style::PLAIN), @"no runs yet; start one with `inoculate run FILE`");
}

#[test]
fn a_plan_says_what_ends_the_run_early() {
    use inoculate_core::experiment::{Guards, StopOn, StopWhen};
    let alarms = vec!["shop-revenue".to_owned(), "shop-on-fire".to_owned()];
    let guards = |alarms: &[String], stop_on, stop_when| Guards {
        alarms: alarms.to_vec(),
        stop_on,
        stop_when,
        ..Guards::default()
    };
    let all = [
        Guards::default(),
        guards(&alarms, StopOn::Harm, Some(StopWhen::Established)),
        guards(&[], StopOn::Never, None),
        guards(&alarms, StopOn::Never, None),
        guards(&[], StopOn::Never, Some(StopWhen::Established)),
        Guards {
            abort_when: samples::own_alarms(),
            ..guards(&alarms, StopOn::Harm, None)
        },
    ];
    let texts = all.map(|guards| fits(plan::ends_early(&guards, Style::PLAIN)));
    assert_snapshot!(texts.join("\n\n"));
}

fn outlook(preflight: Option<Preflight>) -> Outlook {
    Outlook::of(samples::experiment(), preflight)
}

fn preflight(allowed: bool, refusals: Vec<Refusal>) -> Preflight {
    Preflight {
        refusals,
        functions: vec![Function {
            name: "shop-payments".parse().unwrap(),
            arn: "arn:aws:lambda:eu-west-1:123456789012:function:shop-payments".into(),
            ready: true,
            allowed,
            tags: BTreeMap::new(),
            calls: None,
        }],
        settings: vec![CurrentSetting {
            function: "shop-payments".parse().unwrap(),
            setting: Setting::ReservedConcurrency,
            now: SettingValue::Unreserved,
            to: SettingValue::Executions(0),
            mapping_arn: None,
        }],
        ..Preflight::default()
    }
}

#[test]
fn a_plan_that_could_start() {
    let outlook = outlook(Some(preflight(true, vec![])));
    assert_snapshot!(fits(plan::text(&outlook, Style::PLAIN)));
}

fn notes(notes: &[(Guard, &str)]) -> Vec<Note> {
    let note = |(guard, detail): &(Guard, &str)| Note {
        guard: *guard,
        detail: (*detail).to_owned(),
    };
    notes.iter().map(note).collect()
}

#[test]
fn a_plan_says_what_was_checked_and_what_could_not_be() {
    let preflight = Preflight {
        passed: notes(&[
            (
                Guard::EnvironmentNotAllowed,
                "production, as the tags of the functions say",
            ),
            (Guard::PercentOverLimit, "100 percent of requests, at most 100"),
            (
                Guard::OutsideWindow,
                "open until Wed 2026-03-04 17:00 Europe/Berlin; that leaves 1m 20s for the faults, of the 2m that they may last, and \
                 ends them then",
            ),
        ]),
        unchecked: notes(&[(
            Guard::PermissionMissing,
            "the simulation of IAM cannot tell what the roles may do: it depends on aws:ResourceTag/inoculate",
        )]),
        ..preflight(true, vec![])
    };
    let known = outlook(Some(preflight)).limited_by(&Ok(Deployment::default()));
    let text = |outlook: &Outlook| {
        let text = plan::text(outlook, Style::PLAIN);
        let from = text.find("was checked").or(text.find("could NOT")).unwrap();
        fits(text[from..].to_owned())
    };
    let error = Error::new(
        Code::AccessDenied,
        "reading the environment of the function inoculate-baseline: AccessDenied",
    )
    .help("give the role or user the permission that is named");
    let unknown = outlook(Some(self::preflight(true, vec![]))).limited_by(&Err(error));
    assert_eq!((known.could_start, unknown.could_start), (Some(true), None));
    assert_snapshot!([text(&known), text(&unknown)].join("\n\n---\n\n"));
    let json = serde_json::to_value(&known).unwrap();
    assert_eq!(json["limits"]["max_runs"], 5);
    assert_eq!(json["preflight"]["passed"][0]["guard"], "environment_not_allowed");
}

#[test]
fn a_run_says_when_its_window_closes_and_what_was_not_checked() {
    let mut details = samples::running();
    details.run.closes_at = Some(at(600));
    details.run.unchecked = vec!["what the roles may do could not be asked: AccessDenied".to_owned()];
    let text = everything(&details);
    let head: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    assert_snapshot!(head.join("\n"));
}

#[test]
fn a_plan_that_would_be_refused() {
    let refusal = |guard, detail: &str| Refusal {
        guard,
        detail: detail.into(),
    };
    let refusals = vec![
        refusal(
            Guard::Halted,
            "halted since 2026-03-04T08:00:00Z: incident 4711; `inoculate resume` lifts it",
        ),
        refusal(
            Guard::NotAllowed,
            "function shop-payments does not allow experiments; its owner allows them with the tag inoculate=allow",
        ),
        refusal(
            Guard::AlarmMissing,
            "there is no alarm \"shop-revenue\" in this account and region",
        ),
    ];
    let outlook = outlook(Some(preflight(false, refusals)));
    assert_snapshot!(fits(plan::text(&outlook, Style::PLAIN)));
}

#[test]
fn a_plan_without_aws() {
    assert_snapshot!(fits(plan::text(&outlook(None), Style::PLAIN)));
}

#[test]
fn an_error_says_what_where_and_what_to_do() {
    let missing = Error::new(
        Code::TableMissing,
        "reading run a: there is no table `inoculate` in eu-west-1",
    )
    .help("is the stack deployed in this account and region? INOCULATE_STACK is its name");
    assert_snapshot!(fits(error::text(&missing, Style::PLAIN)));
}

fn halted(outcomes: Vec<Result<RollbackAnswer, Error>>) -> Halted {
    let runs = outcomes.into_iter().enumerate().map(|(number, outcome)| Ended {
        run_id: format!("throttle-payments-{number}").parse().unwrap(),
        outcome,
    });
    Halted {
        halt: Halt {
            reason: "incident 4711: orders are lost, so nothing may touch payments until it is understood".into(),
            since: at(0),
        },
        runs: runs.collect(),
    }
}

fn some_ended() -> Halted {
    let settled = RollbackAnswer {
        settled: true,
        status: Some("aborted".into()),
        ..RollbackAnswer::default()
    };
    let failed = Error::new(
        Code::RollbackFailed,
        "the reserved concurrency of shop-payments could not be put back to unreserved: AccessDenied",
    );
    halted(vec![
        Ok(settled),
        Err(failed.help("try again with `inoculate rollback throttle-payments-1`")),
    ])
}

#[test]
fn a_halt() {
    let text = |halted: &Halted| fits(halt::halted(halted, "inoculate resume", Style::PLAIN));
    let all_ended = halted(vec![Ok(RollbackAnswer::default())]);
    let texts = [text(&some_ended()), text(&all_ended), text(&halted(vec![]))];
    assert_snapshot!(texts.join("\n\n"));
    insta::assert_json_snapshot!("a_halt_as_json", some_ended().json());
}

#[test]
fn a_resume() {
    let lifted = halted(vec![]).halt;
    let texts = [halt::resumed(Some(&lifted)), halt::resumed(None)];
    assert_snapshot!(fits(texts.join("\n\n")));
}

#[test]
fn colour_changes_nothing_but_colour() {
    let colour = Style {
        terminal: true,
        colour: true,
    };
    let stripped = |text: String| {
        let mut plain = String::new();
        let mut parts = text.split("\x1b[");
        plain.push_str(parts.next().unwrap_or_default());
        for part in parts {
            plain.push_str(part.split_once('m').map_or("", |(_, text)| text));
        }
        plain
    };
    let missing = Error::new(Code::TableMissing, "no table").help("deploy");
    assert_eq!(
        stripped(error::text(&missing, colour)),
        error::text(&missing, Style::PLAIN)
    );
    for details in [samples::running(), samples::deviated(), samples::rollback_failed()] {
        let painted = run::everything(&details, at(90), colour);
        assert!(painted.contains("\x1b["));
        assert_eq!(stripped(painted), run::everything(&details, at(90), Style::PLAIN));
    }
    assert_eq!(
        stripped(halt::halted(&some_ended(), "inoculate resume", colour)),
        halt::halted(&some_ended(), "inoculate resume", Style::PLAIN)
    );
    let outlook = outlook(Some(preflight(true, vec![])));
    assert_eq!(
        stripped(plan::text(&outlook, colour)),
        plan::text(&outlook, Style::PLAIN)
    );
}
