//! The latest runs.

use inoculate_core::run::Run;

use super::style::Style;
use super::text::{clean, count, time};

/// Two lines a run: a run id alone may fill a line. `is_all` is whether every run was asked for.
pub fn text(runs: &[Run], is_all: bool, style: Style) -> String {
    if runs.is_empty() {
        return match is_all {
            true => "no runs yet; start one with `inoculate run FILE`".to_owned(),
            false => "no such runs; `inoculate list` shows the latest of all".to_owned(),
        };
    }
    let lines = runs.iter().map(|run| {
        let verdict = run
            .verdict
            .map(|verdict| format!("  {}", style.verdict(verdict, &verdict.to_string())))
            .unwrap_or_default();
        format!(
            "{}\n  {}  {}{verdict}  {}",
            style.bold(run.id.as_str()),
            style.dim(&time(run.opened_at)),
            style.status(run.status, run.status.name()),
            clean(&run.experiment),
        )
    });
    let lines: Vec<String> = lines.collect();
    format!("{}\n{}", lines.join("\n"), style.dim(&count(runs.len(), "run")))
}
