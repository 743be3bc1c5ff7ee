//! What GitHub Actions shows of a result and of mistakes, beside the lines of the experiment.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

use inoculate_core::error::Error;
use inoculate_core::judge::{Finding, Verdict};
use inoculate_core::names::MeasureName;
use inoculate_core::read::{Place, Problem};

use super::problems;
use super::text::clean;
use crate::exit::Exit;
use crate::input::Checked;
use crate::outcome::Outcome;

/// Where the measures of an experiment are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The file, from the root of the repository.
    pub file: String,
    /// The line of each measure, from 1.
    pub lines: Vec<(MeasureName, usize)>,
}

/// One annotation for each measure that deviated or is inconclusive; else one for the run, unless all is upheld.
pub fn annotations(outcome: &Outcome, places: Option<&Places>) -> Vec<String> {
    let exit = outcome.exit();
    let has_verdict = matches!(exit, Exit::Deviated | Exit::Inconclusive);
    let findings = outcome.findings().iter();
    let mut said: Vec<String> = findings
        .filter(|finding| has_verdict && finding.verdict != Verdict::Upheld)
        .map(|finding| of_measure(outcome, finding, places))
        .collect();
    // The evidence of a run may be none of its measures: faults that never fired.
    if said.is_empty() && exit != Exit::Upheld {
        let level = if exit == Exit::Inconclusive { "warning" } else { "error" };
        let title = format!("{}: {}", outcome.experiment, outcome.word());
        let file = places.map(|places| (places.file.as_str(), None));
        said.push(titled(level, file, &title, &outcome.because()));
    }
    said
}

/// One annotation for each mistake in an experiment. `file` is from the root of the repository; absent for a saved experiment.
pub fn mistakes(checked: &Checked, file: Option<&str>) -> Vec<String> {
    let annotation = |problem: &Problem| {
        let mut properties: Vec<String> = file.map(of_file).into_iter().collect();
        let place = problem
            .place
            .map(|Place { line, column }| format!("line={line},col={column}"));
        properties.extend(place);
        let mut message = clean(&problems::message(checked, problem));
        if let Some(help) = &problem.help {
            message.push_str(&format!("\nhelp: {}", clean(help)));
        }
        command("error", &properties, &message)
    };
    checked.problems.iter().map(annotation).collect()
}

/// The annotation for a file that cannot be read at all, which the error names.
pub fn unreadable(error: &Error) -> String {
    command("error", &[], &clean(&error.message))
}

fn of_measure(outcome: &Outcome, finding: &Finding, places: Option<&Places>) -> String {
    let level = match finding.verdict {
        Verdict::Deviated => "error",
        Verdict::Inconclusive | Verdict::Upheld => "warning",
    };
    let place = places.map(|places| {
        let mut lines = places.lines.iter();
        let line = lines.find(|(measure, _)| *measure == finding.measure);
        (places.file.as_str(), line.map(|(_, line)| *line))
    });
    let title = format!("{}: {} {}", outcome.experiment, finding.measure, finding.verdict);
    titled(level, place, &title, &finding.sentence)
}

fn titled(level: &str, place: Option<(&str, Option<usize>)>, title: &str, message: &str) -> String {
    let mut properties = Vec::new();
    if let Some((file, line)) = place {
        properties.push(of_file(file));
        properties.extend(line.map(|line| format!("line={line}")));
    }
    properties.push(format!("title={}", property(title)));
    command(level, &properties, &clean(message))
}

fn of_file(file: &str) -> String {
    format!("file={}", property(file))
}

/// A command to the runner. The properties are escaped already; lines of the message stay lines.
fn command(level: &str, properties: &[String], message: &str) -> String {
    let properties = properties.join(",");
    let blank = if properties.is_empty() { "" } else { " " };
    format!("::{level}{blank}{properties}::{}", data(message))
}

/// The escapes of the runner, which reads a command from each line of output:
/// <https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts>.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_the_command_or_its_properties() {
        let place = Some(("a,b:c%.yaml", Some(7)));
        assert_eq!(
            titled("error", place, "x: y, z\n::error::w", "50% ::\r\n::stop-commands::t"),
            "::error file=a%2Cb%3Ac%25.yaml,line=7,title=x%3A y%2C z%0A%3A%3Aerror%3A%3Aw::50%25 ::  ::stop-commands::t"
        );
    }

    fn wrong(text: &str) -> Checked {
        Checked {
            source: "dir/a.yaml".to_owned(),
            text: text.to_owned(),
            problems: inoculate_core::read::experiment_from_text(text).unwrap_err(),
        }
    }

    #[test]
    fn a_mistake_is_shown_at_its_line_with_what_would_be_right() {
        let checked = wrong("name: 50% off\nhypothesis: 2024\n");
        let all = mistakes(&checked, Some("dir/a.yaml"));
        assert_eq!(all.len(), checked.problems.len());
        assert_eq!(
            all[all.len() - 1],
            "::error file=dir/a.yaml,line=2,col=13::`hypothesis` must be text, but `2024` is not%0A\
             help: write it in quotes: \"2024\""
        );
        assert!(all.iter().any(|line| line.contains("`50%25 off`")), "{all:#?}");
    }

    #[test]
    fn a_mistake_in_a_saved_experiment_has_no_line() {
        let problems = inoculate_core::read::experiment_from_value(&serde_json::json!({ "name": 7 })).unwrap_err();
        let checked = Checked {
            source: "saved experiment a".to_owned(),
            text: String::new(),
            problems,
        };
        assert_eq!(checked.file(), None);
        let all = mistakes(&checked, None).join("\n");
        assert!(
            all.contains("::error::saved experiment a, /name: `name` must be text"),
            "{all}"
        );
        assert!(!all.contains("file=") && !all.contains("line="), "{all}");
    }
}
