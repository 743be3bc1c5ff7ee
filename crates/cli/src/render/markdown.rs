//! Results as Markdown, for the summary of a CI job and for pull requests.

use inoculate_report::markdown::escaped;

use super::text::clock;
use crate::outcome::Outcome;

/// One run: what was to be shown, what came of it, and why.
pub fn run(outcome: &Outcome) -> String {
    let mut parts = vec![format!(
        "## {}: {}",
        escaped(outcome.experiment.as_str()),
        outcome.word()
    )];
    let experiment = outcome.details().and_then(|details| details.experiment.as_ref());
    parts.extend(experiment.map(|experiment| format!("> {}", escaped(&experiment.hypothesis))));
    parts.push(escaped(&outcome.because()));
    let findings = outcome.findings().iter();
    let rows = findings.map(|finding| {
        let measure = escaped(finding.measure.as_str());
        format!("| {measure} | {} | {} |", finding.verdict, escaped(&finding.sentence))
    });
    let rows: Vec<String> = rows.collect();
    if !rows.is_empty() {
        parts.push(format!(
            "| measure | verdict | why |\n|---|---|---|\n{}",
            rows.join("\n")
        ));
    }
    if let Some(id) = &outcome.run_id {
        let took = outcome.secs().map(|secs| format!(" took {}", clock(secs)));
        let took = took.unwrap_or_default();
        parts.push(format!(
            "Run `{id}`{took}. Everything that is recorded of it: `inoculate show {id}`"
        ));
    }
    format!("{}\n", parts.join("\n\n"))
}

/// Several runs, a row each.
pub fn scorecard(outcomes: &[Outcome]) -> String {
    let rows = outcomes.iter().map(|outcome| {
        let took = outcome.secs().map_or("-".to_owned(), clock);
        let usd = outcome.usd().map_or("-".to_owned(), |usd| format!("{usd:.4}"));
        let run = outcome.run_id.as_ref();
        let run = run.map_or("-".to_owned(), |id| format!("`{id}`"));
        format!(
            "| {} | {} | {} | {took} | {usd} | {run} |",
            escaped(outcome.experiment.as_str()),
            outcome.word(),
            escaped(&outcome.because())
        )
    });
    let rows: Vec<String> = rows.collect();
    format!(
        "## Scorecard\n\n| experiment | result | evidence | took | USD, about | run |\n|---|---|---|---:|---:|---|\n{}\n",
        rows.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_a_text() {
        assert_eq!(
            escaped("<script> a|b `c` *d* [e](f)\n# g & h_i"),
            "&lt;script&gt; a\\|b \\`c\\` \\*d\\* \\[e\\](f) \\# g &amp; h\\_i"
        );
    }
}
