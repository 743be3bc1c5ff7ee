//! What became of each part of a file of another tool.

use std::path::Path;

use super::style::Style;
use super::text::{clean, count, wrap};
use crate::chaostoolkit::Draft;
use crate::chaostoolkit::parts::{Fate, Part};

const BECOMES: &str = "becomes";
const AUTOMATIC: &str = "needs nothing";
const LEFT_OUT: &str = "left out";

/// What a part stands under.
fn heading(fate: &Fate) -> &'static str {
    match fate {
        Fate::Becomes { .. } => BECOMES,
        Fate::Automatic { .. } => AUTOMATIC,
        Fate::LeftOut { .. } => LEFT_OUT,
    }
}

/// Every part of the file, what is wrong with the result, and where it was written.
pub fn text(draft: &Draft, written: Option<&Path>, style: Style) -> String {
    let mut lines = Vec::new();
    for title in [BECOMES, AUTOMATIC, LEFT_OUT] {
        let mut parts = draft
            .parts
            .iter()
            .filter(|part| heading(&part.fate) == title)
            .peekable();
        if parts.peek().is_some() {
            lines.push(style.bold(title));
            lines.extend(parts.map(one));
        }
    }
    lines.push(result(draft, style));
    lines.extend(written.map(|path| format!("wrote {}", clean(&path.display().to_string()))));
    lines.join("\n")
}

fn one(part: &Part) -> String {
    let said = match &part.fate {
        Fate::Becomes { into } => into,
        Fate::Automatic { why } | Fate::LeftOut { why } => why,
    };
    let mut lines = vec![wrap("  ", &format!("{}: {}", part.pointer, part.what))];
    lines.push(wrap("    ", said));
    lines.extend(part.notes.iter().map(|note| wrap("    - ", note)));
    lines.join("\n")
}

fn result(draft: &Draft, style: Style) -> String {
    let left = draft.parts.iter().filter(|part| part.why_left_out().is_some()).count();
    let left = match left {
        0 => "nothing is left out".to_owned(),
        left => format!(
            "{} left out",
            if left == 1 {
                "1 part is".to_owned()
            } else {
                format!("{left} parts are")
            }
        ),
    };
    if let Some(experiment) = &draft.experiment {
        let faults = count(experiment.faults.len(), "fault");
        let measures = count(experiment.steady_state.len(), "measure");
        let alarms = count(experiment.guards.alarms.len(), "alarm");
        let valid = format!("valid: {}, {faults}, {measures}, {alarms}; {left}", experiment.name);
        return wrap("", &valid);
    }
    let mut lines = vec![style.bad(&wrap("", &format!("not valid yet; {left}")))];
    lines.extend(draft.problems.iter().map(|problem| {
        let help = problem
            .help
            .as_ref()
            .map(|help| format!("; {help}"))
            .unwrap_or_default();
        wrap("  ", &format!("{}: {}{help}", problem.pointer, problem.message))
    }));
    lines.join("\n")
}
