//! Figures that the benchmarks of a crate measure, put beside what they should be.
//!
//! These benchmarks are also there for `cargo bench`. Here they are built as a release and run one after the other.

use std::fs;

use inoculate_stack::target_dir;
use serde::Deserialize;

use crate::bench::machine;
use crate::error::Error;
use crate::process::{cargo, run};
use crate::report;

/// Where they write their figures to: the name of the variable.
const FIGURES: &str = "INOCULATE_BENCH_FIGURES";

/// A figure, as a benchmark writes it.
#[derive(Debug, Deserialize)]
struct Figure {
    what: String,
    measured: f64,
    unit: String,
    /// What it should be at most.
    reach: Option<f64>,
}

impl Figure {
    fn row(&self) -> Vec<String> {
        let Self {
            what, measured, unit, ..
        } = self;
        let reach = self.reach.map(|reach| format!("{reach} {unit}"));
        let kept = self
            .reach
            .map(|reach| if *measured <= reach { "kept" } else { "MISSED" });
        vec![
            what.clone(),
            reach.unwrap_or_default(),
            format!("{measured:.2} {unit}"),
            kept.unwrap_or_default().to_owned(),
        ]
    }
}

/// Builds and runs benchmarks of a package, and prints a table of their figures, which has a name.
pub(super) fn print(name: &str, package: &str, benchmarks: &[&str]) -> Result<(), Error> {
    let file = target_dir().join(format!("{name}-figures.jsonl"));
    // Those of another time. There may be none.
    let _ = fs::remove_file(&file);
    let named = benchmarks.iter().flat_map(|name| ["--bench", *name]);
    let arguments: Vec<_> = ["bench", "--package", package].into_iter().chain(named).collect();
    run(cargo(&[&arguments[..], &["--no-run"]].concat()).env(FIGURES, &file))?;
    println!("measuring release builds, on {}", machine());
    run(cargo(&arguments).env(FIGURES, &file))?;
    println!("\nwhen it was over, {}", machine());
    let written = fs::read_to_string(&file).unwrap_or_default();
    let figures = parse(&written).map_err(|error| Error::Benchmark {
        problem: format!("the benchmarks of {package} wrote something else than figures: {error}"),
    })?;
    let rows: Vec<_> = figures.iter().map(Figure::row).collect();
    report::table(&[name, "reach", "measured", ""], &rows);
    Ok(())
}

fn parse(lines: &str) -> serde_json::Result<Vec<Figure>> {
    lines.lines().map(serde_json::from_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_put_beside_what_they_should_be() {
        let lines = concat!(
            r#"{"what":"a","measured":1.234,"unit":"ms","reach":1.5}"#,
            "\n",
            r#"{"what":"b","measured":2.0,"unit":"x","reach":1.5}"#,
            "\n",
            r#"{"what":"c","measured":2.0,"unit":"us","reach":null}"#,
            "\n",
        );
        let rows: Vec<_> = parse(lines).unwrap().iter().map(Figure::row).collect();
        assert_eq!(
            rows,
            [
                ["a", "1.5 ms", "1.23 ms", "kept"],
                ["b", "1.5 x", "2.00 x", "MISSED"],
                ["c", "", "2.00 us", ""],
            ]
        );
        assert!(parse("no figure").is_err());
    }
}
