//! Lines of at most 80 columns.

use inoculate_core::judge::rounded;
use inoculate_core::judge::{Finding, Limits};
use jiff::Timestamp;

/// How wide text may be.
pub const WIDTH: usize = 80;

/// Where the values of a list of fields start.
pub const LABEL: usize = 13;

/// The text without control characters: records hold words of others, and a terminal obeys escape codes.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// Breaks a text between words. The first line starts with `first`, the others with as many blanks.
/// A word that is longer than a line stays whole, so that it can be copied.
pub fn wrap(first: &str, text: &str) -> String {
    let indent = first.chars().count();
    let mut lines = vec![first.to_owned()];
    let mut is_empty = true;
    for word in clean(text).split_whitespace() {
        let width = lines.last().map_or(0, |line| line.chars().count());
        if !is_empty && width + 1 + word.chars().count() > WIDTH {
            lines.push(" ".repeat(indent));
            is_empty = true;
        }
        if let Some(line) = lines.last_mut() {
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
        }
        is_empty = false;
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

/// A label and its value, which may take several lines.
pub fn field(label: &str, value: &str) -> String {
    wrap(&format!("{label:<LABEL$}"), value)
}

/// A length of time: `0:07`, `12:30`, `1:02:03`.
pub fn clock(secs: i64) -> String {
    let secs = secs.max(0);
    let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{secs:02}")
    } else {
        format!("{minutes}:{secs:02}")
    }
}

/// Seconds between two times.
pub fn secs_between(from: Timestamp, until: Timestamp) -> i64 {
    until.duration_since(from).as_secs()
}

/// A time to the second, in UTC.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `1 point`, `2 points`.
pub fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A number with the unit of its measure.
pub fn amount(value: Option<f64>, unit: Option<&str>) -> String {
    let number = value.map_or("no value".to_owned(), rounded);
    match unit.filter(|_| value.is_some()) {
        Some(unit) => format!("{number} {unit}"),
        None => number,
    }
}

/// The limits that were applied to a measure.
pub fn limits(finding: &Finding) -> String {
    let unit = finding.unit.as_deref();
    match finding.limits {
        Limits {
            low: Some(low),
            high: Some(high),
        } => {
            format!("{} to {}", rounded(low), amount(Some(high), unit))
        }
        Limits {
            low: Some(low),
            high: None,
        } => format!("at least {}", amount(Some(low), unit)),
        Limits {
            low: None,
            high: Some(high),
        } => format!("at most {}", amount(Some(high), unit)),
        Limits { low: None, high: None } => "no limit yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_control_characters_do_not_reach_the_terminal() {
        let text = format!("red\x1b[31m {} end", "word ".repeat(20));
        let wrapped = wrap("label  ", &text);
        assert!(wrapped.lines().all(|line| line.chars().count() <= WIDTH), "{wrapped}");
        assert!(
            wrapped.lines().skip(1).all(|line| line.starts_with("       w")),
            "{wrapped}"
        );
        assert!(!wrapped.contains('\x1b'));
        let long = "x".repeat(100);
        assert_eq!(wrap("", &long), long);
        assert_eq!(wrap("a  ", ""), "a");
    }

    #[test]
    fn lengths_of_time_are_read_at_a_glance() {
        let texts: Vec<String> = [-1, 7, 750, 3723].into_iter().map(clock).collect();
        assert_eq!(texts, ["0:00", "0:07", "12:30", "1:02:03"]);
    }
}
