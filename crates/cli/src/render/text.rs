//! Lines of at most 80 columns.

use inoculate_core::notice::is_unsafe;
pub use inoculate_core::words::{amount, clean, clock, count, limits, secs_between, time};
use unicode_width::UnicodeWidthChar;

use super::style::Style;

/// How wide text may be.
pub const WIDTH: usize = 80;

/// Where the values of a list of fields start.
pub const LABEL: usize = 13;

/// What may go to a terminal of a whole output: its lines and, with colour, its colours. For what was not made
/// [`clean`] piece by piece.
pub fn harmless(text: &str, style: Style) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let colour = style.colour.then(|| colour(rest)).flatten();
        let piece = colour.unwrap_or(&rest[..letter.len_utf8()]);
        if colour.is_some() || letter == '\n' || !is_unsafe(letter) {
            shown.push_str(piece);
        } else {
            shown.push(' ');
        }
        rest = &rest[piece.len()..];
    }
    shown
}

/// How many columns of a terminal a line takes; colours take none.
pub fn width(line: &str) -> usize {
    let mut columns = 0;
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        let colour = colour(rest);
        columns += match colour {
            Some(_) => 0,
            None => letter.width().unwrap_or(0),
        };
        rest = &rest[colour.map_or(letter.len_utf8(), str::len)..];
    }
    columns
}

/// As much of a text as fits into so many columns, with `…` where something is left out. For text without colours.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |letter: &char| {
        let width = letter.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    let start: String = text.chars().take_while(fits).collect();
    if columns == 0 {
        String::new()
    } else {
        format!("{start}…")
    }
}

/// The code that a text begins with, if it is one that changes the colour.
fn colour(text: &str) -> Option<&str> {
    let numbers = text.strip_prefix("\x1b[")?;
    let end = numbers.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
    let is_colour = numbers[end..].starts_with('m');
    is_colour.then(|| &text[.."\x1b[".len() + end + 1])
}

/// JSON as a terminal may show it: what acts is written as an escape of JSON, which means the same.
pub fn harmless_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter != '\n' && is_unsafe(letter) {
            shown.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            shown.push(letter);
        }
    }
    shown
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

    const HOSTILE: &str = "a\x1b[2J\x1b]0;title\x07\r\u{9b}31mb\u{202e}c\x1b[31md\x1b[0m\x1b[8;1Hé\u{7f}\ne\x1b[";

    #[test]
    fn nothing_but_lines_and_colours_reaches_the_terminal() {
        assert_eq!(
            harmless(HOSTILE, Style::PLAIN),
            "a [2J ]0;title   31mb c [31md [0m [8;1Hé \ne ["
        );
        let colourful = Style {
            terminal: true,
            colour: true,
        };
        assert_eq!(
            harmless(HOSTILE, colourful),
            "a [2J ]0;title   31mb c\x1b[31md\x1b[0m [8;1Hé \ne ["
        );
        let ours = format!("{}\n{}", colourful.bad("error"), colourful.dim("a"));
        assert_eq!(harmless(&ours, colourful), ours);
    }

    #[test]
    fn what_is_shown_of_a_text_fits_its_columns() {
        for (text, columns, shown) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("abcd", 1, "…"),
            ("abcd", 0, ""),
        ] {
            assert_eq!(cut(text, columns), shown, "{text} {columns}");
            assert!(width(shown) <= columns);
        }
        assert_eq!(width("\x1b[1;31mdeviated\x1b[0m"), 8);
    }

    #[test]
    fn json_says_the_same_without_characters_that_act() {
        let json = serde_json::to_string_pretty(&serde_json::json!({ HOSTILE: [HOSTILE] })).unwrap();
        let shown = harmless_json(&json);
        assert!(
            shown.chars().all(|letter| letter == '\n' || !is_unsafe(letter)),
            "{shown:?}"
        );
        assert!(
            json.chars().any(|letter| letter != '\n' && is_unsafe(letter)),
            "serde_json escapes less than that"
        );
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(&json));
    }
}
