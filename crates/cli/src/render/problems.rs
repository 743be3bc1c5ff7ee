//! The mistakes in an experiment, each with its line and what would be right.

use inoculate_core::error::{Code, Error};
use inoculate_core::read::{Place, Problem};
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode,
    ThemeCharacters, ThemeStyles,
};

use super::style::Style;
use super::text::{WIDTH, clean, count};
use crate::input::Checked;

/// Every mistake, and how many there are.
pub fn text(checked: &Checked, style: Style) -> String {
    let mut parts: Vec<String> = checked
        .problems
        .iter()
        .map(|problem| one(checked, problem, style))
        .collect();
    parts.push(super::error::text(&as_error(checked), style));
    parts.join("\n")
}

/// All mistakes as one error.
pub fn as_error(checked: &Checked) -> Error {
    let mistakes = count(checked.problems.len(), "mistake");
    Error::new(
        Code::InvalidExperiment,
        format!("{} has {mistakes}", clean(&checked.source)),
    )
}

/// What is wrong; where there is no line to point at, with what it is wrong in.
pub(super) fn message(checked: &Checked, problem: &Problem) -> String {
    if problem.place.is_some() {
        problem.message.clone()
    } else if problem.pointer.is_empty() {
        format!("{}: {}", checked.source, problem.message)
    } else {
        format!("{}, {}: {}", checked.source, problem.pointer, problem.message)
    }
}

fn one(checked: &Checked, problem: &Problem, style: Style) -> String {
    let report = Report {
        message: clean(&message(checked, problem)),
        help: problem.help.as_deref().map(clean),
        source: NamedSource::new(clean(&checked.source), checked.text.clone()),
        span: problem.place.map(|place| span(&checked.text, place)),
    };
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(theme(style)).with_width(WIDTH);
    match handler.render_report(&mut text, &report) {
        Ok(()) => text,
        // Never less than the message.
        Err(_) => report.message,
    }
}

/// Lines drawn with letters of every font when not on a terminal, so that logs and CI show them as they are.
fn theme(style: Style) -> GraphicalTheme {
    GraphicalTheme {
        characters: if style.terminal {
            ThemeCharacters::unicode()
        } else {
            ThemeCharacters::ascii()
        },
        styles: if style.colour {
            ThemeStyles::ansi()
        } else {
            ThemeStyles::none()
        },
    }
}

/// The word at a place: its byte offset and length.
fn span(text: &str, place: Place) -> (usize, usize) {
    let start_of_line = text
        .split_inclusive('\n')
        .take(place.line.saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    let line = text.get(start_of_line..).unwrap_or_default();
    let line = line.lines().next().unwrap_or_default();
    let before: usize = line
        .chars()
        .take(place.column.saturating_sub(1))
        .map(char::len_utf8)
        .sum();
    let word = line.get(before..).unwrap_or_default();
    let quote = word.chars().next().filter(|first| "\"'".contains(*first));
    let length = match quote {
        Some(quote) => word[1..].find(quote).map_or(word.len(), |end| end + 2),
        None => word
            .find(|letter: char| letter.is_whitespace() || ",]}".contains(letter))
            .unwrap_or(word.len()),
    };
    let word = word.get(..length).unwrap_or_default().trim_end_matches(':');
    (start_of_line + before, word.len().max(1))
}

/// One mistake as miette wants it.
#[derive(Debug)]
struct Report {
    message: String,
    help: Option<String>,
    source: NamedSource<String>,
    span: Option<(usize, usize)>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl Diagnostic for Report {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.span.map(|_| &self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, span))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_at_a_place_is_marked() {
        let text = "name: é\nlist: [eins, zwei]\n\"quoted key\": 'two words' # end\n";
        let word = |line, column| {
            let (start, length) = span(text, Place { line, column });
            &text[start..start + length]
        };
        assert_eq!(word(1, 1), "name");
        assert_eq!(word(1, 7), "é");
        assert_eq!(word(2, 8), "eins");
        assert_eq!(word(2, 14), "zwei");
        assert_eq!(word(3, 1), "\"quoted key\"");
        assert_eq!(word(3, 15), "'two words'");
        assert_eq!(span(text, Place { line: 99, column: 1 }).0, text.len());
    }

    #[test]
    fn mistakes_on_a_terminal() {
        let text = "name: slow payments\nhypothesis: orders go on\nblast_radius: { functions: [payments], longest: 2m }\n\
                    windows: { baseline: 1m, recovery: 1m }\nfaults:\n  - kind: memory\n    function: payments\n    \
                    memory_mb: 64\nsteady_state:\n  - { name: errors, layer: { function: shop, statistic: p990 } }\n";
        let checked = Checked {
            source: "experiments/slow.yaml".to_owned(),
            text: text.to_owned(),
            problems: inoculate_core::read::experiment_from_text(text).unwrap_err(),
        };
        let drawn = Style {
            terminal: true,
            colour: false,
        };
        insta::assert_snapshot!(super::text(&checked, drawn));
        let colourful = Style {
            terminal: true,
            colour: true,
        };
        assert!(super::text(&checked, colourful).contains("\x1b["));
    }
}
