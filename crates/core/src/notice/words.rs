//! A notice in words, for a person who reads it on a telephone: what happened first, the rest in the order of its urgency.

use jiff::Timestamp;

use super::{About, Kind, Notice};
use crate::judge::Verdict;
use crate::ports::Grounds;

/// The name of a stack when nobody names another; the commands find that one by themselves.
const DEFAULT_STACK: &str = "inoculate";

/// Where the values of a list of fields start.
const LABEL: usize = 13;

pub(super) fn subject(notice: &Notice) -> String {
    let what = match (notice.kind, &notice.result) {
        (Kind::RunStarted, _) => "started".to_owned(),
        (Kind::InjectionBeginning, _) => "begins to inject".to_owned(),
        (Kind::RunEndingEarly, _) => "ends early".to_owned(),
        (Kind::RollbackFailed, _) => "COULD NOT BE ROLLED BACK, see to it".to_owned(),
        (Kind::RollbackRecovered, _) => "is rolled back after all".to_owned(),
        (Kind::RunRefused, _) => "refused".to_owned(),
        (Kind::RunFinished, Some(result)) => {
            // A system that does not come back is worth more attention than any verdict.
            let recovered = match result.recovered {
                Some(Verdict::Deviated) => ", not recovered",
                _ => "",
            };
            format!("{} {}{recovered}", result.status, result.verdict)
        }
        (Kind::RunFinished, None) => "is over".to_owned(),
        (Kind::Halted, _) => "halted, nothing starts any more".to_owned(),
        (Kind::Resumed, _) => "resumed, runs may start again".to_owned(),
    };
    match &notice.run {
        Some(run) => format!("Inoculate: {} {what}", called(run)),
        None => format!("Inoculate: {what}"),
    }
}

/// The experiment, with its environment.
fn called(run: &About) -> String {
    match &run.environment {
        Some(environment) => format!("{} ({environment})", run.experiment),
        None => run.experiment.clone(),
    }
}

pub(super) fn body(notice: &Notice) -> String {
    let mut lines = vec![first_line(notice), String::new()];
    lines.extend(
        facts(notice)
            .iter()
            .map(|(label, value)| format!("{label:<LABEL$}{value}")),
    );
    if let Some(failure) = &notice.failure {
        lines.extend([String::new(), "To put it back by hand:".to_owned()]);
        lines.extend(failure.by_hand.iter().map(|command| format!("  {command}")));
    }
    lines.join("\n") + "\n"
}

/// What happened, in a sentence or two.
fn first_line(notice: &Notice) -> String {
    let Some(run) = &notice.run else {
        return kill_switch(notice);
    };
    let name = called(run);
    let why = notice.ending.as_ref().map_or("", |ending| &ending.detail);
    match notice.kind {
        Kind::RunStarted => {
            format!("A run of {name} has started. It injects nothing yet: it measures what is normal first.")
        }
        Kind::InjectionBeginning => format!("{name} is about to inject faults: the steady state holds."),
        Kind::RunEndingEarly => {
            let back = match (notice.settled, run.faults_from) {
                (Some(true), None) => "Nothing was injected.",
                (Some(true), Some(_)) => "Everything is put back.",
                _ => "Everything is being put back.",
            };
            format!("{name} ends early: {why}. {back}")
        }
        Kind::RollbackFailed => format!("{name} LEFT A CHANGE BEHIND. Inoculate goes on trying to put it back."),
        Kind::RollbackRecovered => format!("Everything that {name} had left behind is back."),
        Kind::RunRefused => format!("{name} was refused and has injected nothing: {why}"),
        Kind::RunFinished => finished(notice, &name, why),
        Kind::Halted | Kind::Resumed => kill_switch(notice),
    }
}

fn finished(notice: &Notice, name: &str, why: &str) -> String {
    let Some(result) = &notice.result else {
        return format!("{name} is over: {why}");
    };
    let recovered = match result.recovered {
        Some(Verdict::Deviated) => " THE SYSTEM HAS NOT RECOVERED.",
        Some(Verdict::Inconclusive) => " Whether the system has recovered cannot be told.",
        Some(Verdict::Upheld) | None => "",
    };
    format!(
        "{name} is over, {}, with the verdict {}.{recovered}",
        result.status, result.verdict
    )
}

fn kill_switch(notice: &Notice) -> String {
    match notice.kind {
        Kind::Resumed => "The kill switch is lifted: runs may start again.".to_owned(),
        _ => "The kill switch is set: no run starts, and those under way are being ended.".to_owned(),
    }
}

/// A label and its value.
type Fact = (&'static str, String);

fn facts(notice: &Notice) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(halt) = &notice.halt {
        facts.push(("reason", halt.reason.clone()));
        facts.push(("since", time(halt.since)));
        if notice.kind == Kind::Halted {
            facts.push(("to lift it", command(notice, "resume")));
        }
    }
    if let Some(run) = &notice.run {
        facts.extend(where_and_when(notice, run));
        facts.extend(outcome(notice));
        facts.extend(run.hypothesis.iter().map(|text| ("hypothesis", text.clone())));
    }
    facts
}

fn where_and_when(notice: &Notice, run: &About) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some((region, account)) = run.execution_arn.as_deref().and_then(home) {
        facts.push(("where", format!("account {account}, {region}, stack {}", notice.stack)));
    }
    let functions: Vec<&str> = run.functions.iter().map(|function| function.as_str()).collect();
    if !functions.is_empty() {
        facts.push(("functions", functions.join(", ")));
    }
    for (index, fault) in run.faults.iter().enumerate() {
        facts.push((if index == 0 { "faults" } else { "" }, fault.clone()));
    }
    facts.extend(run.percent.map(|percent| ("requests", format!("{percent} percent"))));
    facts.extend(run.faults_from.map(|from| ("from", time(from))));
    facts.extend(run.faults_until.map(|until| match notice.settled {
        None => ("until", format!("{} at the latest", time(until))),
        Some(_) => ("until", time(until)),
    }));
    let (label, verb) = match notice.kind {
        Kind::RunStarted | Kind::InjectionBeginning => ("to stop it", "abort"),
        Kind::RollbackFailed => ("to try again", "rollback"),
        _ => ("to see more", "show"),
    };
    facts.push((label, command(notice, &format!("{verb} {}", run.id))));
    facts
}

/// What came of the run, as far as the first line has not said it.
fn outcome(notice: &Notice) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(failure) = &notice.failure {
        facts.push(("left behind", failure.detail.clone()));
    }
    let said = matches!(notice.kind, Kind::RunEndingEarly | Kind::RunRefused);
    if let Some(ending) = notice.ending.as_ref().filter(|_| !said) {
        facts.push(("ended by", ending.detail.clone()));
    }
    // Nothing was injected, and the ending says why: there is nothing to judge.
    let judged = notice
        .result
        .as_ref()
        .filter(|result| result.grounds != Grounds::NotInjected);
    if let Some(result) = judged {
        facts.push(("verdict", format!("{}: {}", result.verdict, result.because)));
        facts.extend(
            result
                .recovered
                .map(|recovered| ("recovered", back(recovered).to_owned())),
        );
    }
    facts
}

fn back(recovered: Verdict) -> &'static str {
    match recovered {
        Verdict::Upheld => "yes, the steady state is back",
        Verdict::Inconclusive => "unknown, the data cannot tell",
        Verdict::Deviated => "no, the steady state is not back",
    }
}

/// A command for a person to type, that reaches the stack.
fn command(notice: &Notice, what: &str) -> String {
    if notice.stack == DEFAULT_STACK {
        format!("inoculate {what}")
    } else {
        format!("inoculate {what} --stack {}", notice.stack)
    }
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The region and the account of an execution, as its ARN has them: `arn:PARTITION:states:REGION:ACCOUNT:execution:...`.
fn home(execution_arn: &str) -> Option<(&str, &str)> {
    let mut parts = execution_arn.split(':').skip(3);
    Some((parts.next()?, parts.next()?))
}
