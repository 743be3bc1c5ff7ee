//! What the tasks print: headings, durations, sizes, and the failure at the end.

use std::error::Error as _;
use std::time::{Duration, Instant};

use crate::error::Error;

/// Prints a heading, does the work, and prints how long it took.
pub(crate) fn phase<T>(heading: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    println!("\n=== {heading}");
    let start = Instant::now();
    let result = work();
    let mark = if result.is_ok() { "done" } else { "FAILED" };
    println!("=== {heading}: {mark} in {}", duration(start.elapsed()));
    result
}

/// Prints an error with its causes.
pub(crate) fn failure(error: &Error) {
    eprintln!("\nerror: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  caused by: {error}");
        cause = error.source();
    }
}

/// A duration as a person would say it: `4.2 s`, `3 min 05 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

/// A number of bytes as MB (a million bytes) with two decimals.
pub(crate) fn megabytes(bytes: u64) -> String {
    // Two decimals in whole numbers: hundredths of a MB, rounded up.
    let hundredths = bytes.div_ceil(10_000);
    format!("{}.{:02} MB", hundredths / 100, hundredths % 100)
}

/// A duration in milliseconds with one decimal.
pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// The value that `percent` of the sorted values do not exceed.
pub(crate) fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Prints a table: the first column to the left, the others to the right.
pub(crate) fn table<C: AsRef<str>>(head: &[&str], rows: &[Vec<C>]) {
    print!("\n{}", table_text(head, rows));
}

fn table_text<C: AsRef<str>>(head: &[&str], rows: &[Vec<C>]) -> String {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rows = rows
        .iter()
        .map(|row| row.iter().map(|cell| cell.as_ref().to_owned()).collect());
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            });
        text.push_str(cells.collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_well() {
        assert_eq!(duration(Duration::from_millis(4210)), "4.2 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(megabytes(4_000_000), "4.00 MB");
        assert_eq!(megabytes(4_000_001), "4.01 MB");
        assert_eq!(milliseconds(Duration::from_micros(12_340)), "12.3 ms");
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<u32> = (1..=100).collect();
        assert_eq!(percentile(&values, 50), Some(50));
        assert_eq!(percentile(&values, 99), Some(99));
        assert_eq!(percentile(&values, 100), Some(100));
        assert_eq!(percentile(&[7], 50), Some(7));
        assert_eq!(percentile::<u32>(&[], 50), None);
    }

    #[test]
    fn a_table_lines_up() {
        let text = table_text(&["what", "ms"], &[vec!["a", "1.5"], vec!["longer", "10"]]);
        assert_eq!(text, "what     ms\na       1.5\nlonger   10\n");
    }
}
