//! Several experiments: when they would run, and what came of them.

use inoculate_core::suite::Slot;
use serde_json::{Value, json};

use super::style::Style;
use super::text::{clock, count, wrap};
use crate::exit::Exit;
use crate::outcome::{Ended, Outcome};
use crate::output::error_object;

/// An experiment, and when it would run.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The file.
    pub file: String,
    /// Its name.
    pub experiment: String,
    /// The functions that its run would hold.
    pub functions: Vec<String>,
    /// When it would run.
    pub slot: Slot,
}

/// When everything would run, in the order of the starts.
pub fn schedule(planned: &[Planned], style: Style) -> String {
    let mut lines = vec![style.bold("would run, each for its planned time at most")];
    for one in in_order(planned) {
        let (from, until) = (clock(one.slot.from.into()), clock(one.slot.until.into()));
        lines.push(format!("  {from:>7} to {until:>7}  {}", one.experiment));
        lines.push(style.dim(&wrap(&format!("{:22}", ""), &one.functions.join(", "))));
    }
    let until = planned.iter().map(|one| one.slot.until).max().unwrap_or(0);
    let experiments = count(planned.len(), "experiment");
    lines.push(format!("{experiments} in {} at most", clock(until.into())));
    lines.join("\n")
}

/// The same for `--json`.
pub fn schedule_json(planned: &[Planned]) -> Value {
    let slots = in_order(planned).into_iter().map(|one| {
        json!({
            "file": one.file, "experiment": one.experiment, "functions": one.functions,
            "from_secs": one.slot.from, "until_secs": one.slot.until,
        })
    });
    json!({ "schedule": slots.collect::<Vec<_>>() })
}

fn in_order(planned: &[Planned]) -> Vec<&Planned> {
    let mut planned: Vec<&Planned> = planned.iter().collect();
    planned.sort_by_key(|one| one.slot.from);
    planned
}

/// What came of each experiment, in the order in which they were given, and how many came out how.
pub fn scorecard(outcomes: &[Outcome], style: Style) -> String {
    let mut lines = vec![style.bold("scorecard")];
    lines.extend(outcomes.iter().map(|outcome| row(outcome, style)));
    lines.push(tally(outcomes));
    lines.join("\n")
}

fn row(outcome: &Outcome, style: Style) -> String {
    let word = format!("{:<15}", outcome.word());
    let word = match outcome.exit() {
        Exit::Upheld => style.good(&word),
        Exit::Inconclusive | Exit::Refused | Exit::Aborted | Exit::Interrupted => style.unsure(&word),
        _ => style.bad(&word),
    };
    let took = outcome.secs().map(clock);
    let usd = outcome.usd().map(|usd| format!("about ${usd:.4}"));
    let figures: Vec<String> = took.into_iter().chain(usd).collect();
    let figures = match figures.is_empty() {
        true => String::new(),
        false => format!("  {}", style.dim(&figures.join(", "))),
    };
    let name = style.bold(outcome.experiment.as_str());
    let because = wrap(&format!("{:19}", ""), &outcome.because());
    format!("  {word}  {name}{figures}\n{because}")
}

/// `1 deviated, 2 upheld`, the worst first.
fn tally(outcomes: &[Outcome]) -> String {
    let mut words: Vec<(Exit, &str, usize)> = Vec::new();
    for outcome in outcomes {
        match words.iter_mut().find(|(_, word, _)| *word == outcome.word()) {
            Some((_, _, number)) => *number += 1,
            None => words.push((outcome.exit(), outcome.word(), 1)),
        }
    }
    words.sort_by_key(|(exit, _, _)| std::cmp::Reverse(exit.severity()));
    let words = words.iter().map(|(_, word, number)| format!("{number} {word}"));
    wrap("", &words.collect::<Vec<_>>().join(", "))
}

/// The same for `--json`.
pub fn scorecard_json(outcomes: &[Outcome]) -> Value {
    let rows = outcomes.iter().map(|outcome| {
        let mut row = json!({
            "experiment": outcome.experiment, "run_id": outcome.run_id, "result": outcome.word(),
            "because": outcome.because(), "exit": outcome.exit().number(),
            "secs": outcome.secs(), "usd": outcome.usd(),
        });
        if let Ended::Error(error) = &outcome.end {
            row["error"] = error_object(error);
        }
        row
    });
    let exit = Exit::worst(outcomes.iter().map(Outcome::exit));
    json!({ "suite": rows.collect::<Vec<_>>(), "exit": exit.number() })
}
