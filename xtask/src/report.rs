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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_well() {
        assert_eq!(duration(Duration::from_millis(4210)), "4.2 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(megabytes(4_000_000), "4.00 MB");
        assert_eq!(megabytes(4_000_001), "4.01 MB");
    }
}
