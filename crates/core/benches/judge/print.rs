//! Tables and figures.

use std::io::Write;

use serde_json::json;

/// A figure that was measured.
pub(crate) struct Figure<'a> {
    pub(crate) what: &'a str,
    pub(crate) measured: f64,
    pub(crate) unit: &'a str,
    /// What it should be at most, if there is such a thing.
    pub(crate) reach: Option<f64>,
}

impl Figure<'_> {
    /// Prints the figure, and writes it.
    pub(crate) fn print(&self) {
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

    /// Appends the figure to the file that `INOCULATE_BENCH_FIGURES` names, which is how `cargo xtask bench judge` makes a
    /// table of them.
    pub(crate) fn write(&self) {
        let Figure {
            what,
            measured,
            unit,
            reach,
        } = self;
        let Some(path) = std::env::var_os("INOCULATE_BENCH_FIGURES") else {
            return;
        };
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        let line = json!({ "what": what, "measured": measured, "unit": unit, "reach": reach });
        writeln!(file, "{line}").unwrap();
    }
}

/// Prints a table: the first column to the left, the others to the right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in [&head].into_iter().chain(rows) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line += &match column {
                0 => format!("{cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        println!("  {}", line.trim_end());
    }
}

/// A part of all, in percent.
pub(crate) fn percent(count: usize, of: usize) -> String {
    format!("{:.2}%", 100.0 * count as f64 / of.max(1) as f64)
}

/// The value at a quantile of sorted values.
pub(crate) fn at(sorted: &[f64], quantile: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * quantile).round() as usize]
}

pub(crate) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// A number from the environment.
pub(crate) fn setting(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
    set.unwrap_or(default)
}
