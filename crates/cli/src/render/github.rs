//! What GitHub Actions shows of a result, beside the lines of the experiment.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

use inoculate_core::judge::{Finding, Verdict};
use inoculate_core::names::MeasureName;

use super::text::clean;
use crate::exit::Exit;
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
        said.push(command(level, file, &title, &outcome.because()));
    }
    said
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
    command(level, place, &title, &finding.sentence)
}

fn command(level: &str, place: Option<(&str, Option<usize>)>, title: &str, message: &str) -> String {
    let mut properties = Vec::new();
    if let Some((file, line)) = place {
        properties.push(format!("file={}", property(file)));
        properties.extend(line.map(|line| format!("line={line}")));
    }
    properties.push(format!("title={}", property(title)));
    format!("::{level} {}::{}", properties.join(","), data(&clean(message)))
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
            command("error", place, "x: y, z\n::error::w", "50% ::\r\n::stop-commands::t"),
            "::error file=a%2Cb%3Ac%25.yaml,line=7,title=x%3A y%2C z%0A%3A%3Aerror%3A%3Aw::50%25 ::  ::stop-commands::t"
        );
    }
}
