//! Figures that benchmarks measure: how they print them, and how `cargo xtask bench` gets to know them.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "for benchmarks, which may stop, and print"
)]

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The variable with the path of the file that figures are appended to, one JSON object a line.
pub const FILE: &str = "INOCULATE_BENCH_FIGURES";

/// A figure that was measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Figure<Text = String> {
    /// What was measured.
    pub what: Text,
    /// How much it is, in `unit`.
    pub measured: f64,
    /// The unit of `measured` and `reach`.
    pub unit: Text,
    /// What it should be at most, if there is such a thing.
    pub reach: Option<f64>,
}

impl<Text: Display + Serialize> Figure<Text> {
    /// Prints the figure, and writes it.
    ///
    /// # Panics
    /// As [`write`](Self::write).
    pub fn print(&self) {
        let Figure {
            what,
            measured,
            unit,
            reach,
        } = self;
        let aim = reach.map(|reach| format!("(reach: {reach} {unit})"));
        println!("  {what:66} {measured:9.2} {unit:4} {}", aim.unwrap_or_default());
        self.write();
    }

    /// Appends the figure to the file that [`FILE`] names, if it does.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write(&self) {
        let Some(path) = std::env::var_os(FILE) else { return };
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{}", serde_json::to_string(self).unwrap()).unwrap();
    }
}

/// Reads the figures that benchmarks have written.
///
/// # Errors
/// When a line is no figure.
pub fn parse(lines: &str) -> serde_json::Result<Vec<Figure>> {
    lines.lines().map(serde_json::from_str).collect()
}

/// Prints the median and the 99th percentile of times, both in `unit`, and what each should be at most.
///
/// # Panics
/// When there are no times, and as [`Figure::write`].
pub fn print_times(what: &str, sorted: &[f64], unit: &str, reach: [Option<f64>; 2]) {
    let [median, last] = reach;
    for (name, quantile, reach) in [("p50", 0.5, median), ("p99", 0.99, last)] {
        let what = format!("{what}, {name}");
        let measured = at(sorted, quantile);
        Figure {
            what: what.as_str(),
            measured,
            unit,
            reach,
        }
        .print();
    }
}

/// The value at a quantile, 0 to 1, of sorted values.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn at(sorted: &[f64], quantile: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * quantile).round() as usize]
}

/// The values from the least to the greatest.
#[must_use]
pub fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// A time in milliseconds.
#[must_use]
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A number from the environment: how much to measure.
#[must_use]
pub fn setting(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
    set.unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let figure = Figure {
            what: "a \"b\"",
            measured: 1.5,
            unit: "ms",
            reach: None,
        };
        let line = serde_json::to_string(&figure).unwrap();
        let read = parse(&format!("{line}\n{line}\n")).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[1].what.as_str(), read[1].measured, read[1].reach),
            ("a \"b\"", 1.5, None)
        );
        assert!(parse("no figure").is_err());
    }

    #[test]
    fn quantiles_are_values_that_are_there() {
        let values = sorted(vec![3.0, 1.0, 2.0]);
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|quantile| at(&values, quantile)),
            [1.0, 2.0, 3.0, 3.0]
        );
    }
}
