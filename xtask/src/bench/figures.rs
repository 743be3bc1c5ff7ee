//! Figures that the benchmarks of a crate measure, put beside what they should be.
//!
//! These benchmarks are also there for `cargo bench`. Here they are built as a release and run one after the other.

use std::fs;

use inoculate_figures::{FILE, Figure, parse};
use inoculate_stack::target_dir;

use crate::bench::machine;
use crate::error::Error;
use crate::process::{cargo, run};
use crate::report;

/// Builds and runs benchmarks of a package, and prints a table of their figures, which has a name.
pub(super) fn print(name: &str, package: &str, benchmarks: &[&str]) -> Result<(), Error> {
    let file = target_dir().join(format!("{name}-figures.jsonl"));
    // Those of another time. There may be none.
    let _ = fs::remove_file(&file);
    let named = benchmarks.iter().flat_map(|name| ["--bench", *name]);
    let arguments: Vec<_> = ["bench", "--package", package].into_iter().chain(named).collect();
    run(cargo(&[&arguments[..], &["--no-run"]].concat()).env(FILE, &file))?;
    println!("measuring release builds, on {}", machine());
    run(cargo(&arguments).env(FILE, &file))?;
    println!("\nwhen it was over, {}", machine());
    let written = fs::read_to_string(&file).unwrap_or_default();
    let figures = parse(&written).map_err(|error| Error::Benchmark {
        problem: format!("the benchmarks of {package} wrote something else than figures: {error}"),
    })?;
    let rows: Vec<_> = figures.iter().map(row).collect();
    report::table(&[name, "reach", "measured", ""], &rows);
    Ok(())
}

fn row(figure: &Figure) -> Vec<String> {
    let Figure {
        what,
        measured,
        unit,
        reach,
    } = figure;
    let kept = reach.map(|reach| if *measured <= reach { "kept" } else { "MISSED" });
    let reach = reach.map(|reach| format!("{reach} {unit}"));
    vec![
        what.clone(),
        reach.unwrap_or_default(),
        format!("{measured:.2} {unit}"),
        kept.unwrap_or_default().to_owned(),
    ]
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
        let rows: Vec<_> = parse(lines).unwrap().iter().map(row).collect();
        assert_eq!(
            rows,
            [
                ["a", "1.5 ms", "1.23 ms", "kept"],
                ["b", "1.5 x", "2.00 x", "MISSED"],
                ["c", "", "2.00 us", ""],
            ]
        );
    }
}
