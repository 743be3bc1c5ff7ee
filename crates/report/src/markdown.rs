//! A report as Markdown of GitHub, whose plots are tables.

use inoculate_core::words::{clean, clock, time};

use crate::document::{Block, Document, Inline, Line, Section, Table};

/// The whole report.
pub fn text(document: &Document) -> String {
    let mut parts = vec![format!("# {}", escaped(&document.title))];
    parts.extend(document.hypothesis.as_ref().map(|said| format!("> {}", line(said))));
    parts.extend(document.sections.iter().map(section));
    parts.join("\n\n") + "\n"
}

fn section(section: &Section) -> String {
    let blocks = section.blocks.iter().filter_map(block);
    let parts: Vec<String> = std::iter::once(format!("## {}", section.heading))
        .chain(blocks)
        .collect();
    parts.join("\n\n")
}

/// A block, unless it is a picture.
fn block(block: &Block) -> Option<String> {
    let lines = |lines: &[Line]| -> String {
        let lines: Vec<String> = lines.iter().map(|words| format!("- {}", line(words))).collect();
        lines.join("\n")
    };
    Some(match block {
        Block::Heading(words) => format!("### {}", line(words)),
        Block::Paragraph(words) => line(words),
        Block::Facts(facts) => {
            let rows = facts
                .iter()
                .map(|(name, value)| format!("| {name} | {} |", line(value)));
            let rows: Vec<String> = ["| | |".to_owned(), "|---|---|".to_owned()]
                .into_iter()
                .chain(rows)
                .collect();
            rows.join("\n")
        }
        Block::List(items) => lines(items),
        Block::Commands(commands) => {
            let longest = commands.iter().map(|command| ticks(command)).max().unwrap_or(0);
            let fence = "`".repeat(longest.max(2) + 1);
            let commands: Vec<String> = commands.iter().map(|command| clean(command)).collect();
            format!("{fence}\n{}\n{fence}", commands.join("\n"))
        }
        Block::Table(rows) => table(rows),
        Block::Chart(chart) => table(&chart.numbers()),
        Block::TimeLine(_) => return None,
    })
}

fn table(table: &Table) -> String {
    let heads = format!("| {} |", table.heads.join(" | "));
    let rule = format!("|{}", "---|".repeat(table.heads.len()));
    let rows = table.rows.iter().map(|row| {
        let cells: Vec<String> = row.iter().map(line).collect();
        format!("| {} |", cells.join(" | "))
    });
    let lines: Vec<String> = [heads, rule].into_iter().chain(rows).collect();
    lines.join("\n")
}

/// One line, which begins no list, heading or rule.
fn line(words: &Line) -> String {
    let text: String = words.iter().map(inline).collect();
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let numbered = digits > 0 && (text[digits..].starts_with(". ") || text[digits..].starts_with(") "));
    match text.chars().next() {
        Some('-' | '+' | '=') => format!("\\{text}"),
        _ if numbered => format!("{}\\{}", &text[..digits], &text[digits..]),
        _ => text,
    }
}

fn inline(inline: &Inline) -> String {
    match inline {
        Inline::Text(words) | Inline::Said(words, _) | Inline::Of(words, _) => escaped(words),
        Inline::Code(words) => code(words),
        Inline::Number(number) => escaped(&number.text()),
        Inline::Time(at, _) => time(*at),
        Inline::Length(length) => clock(length.secs()),
        Inline::Verdict(verdict, _) => format!("**{verdict}**"),
        Inline::Status(status, _) => format!("**{}**", escaped(status.name())),
    }
}

/// What means something in Markdown or HTML, made to mean itself, on one line.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in clean(text).chars() {
        match letter {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' | '$' => {
                shown.push('\\');
                shown.push(letter);
            }
            _ => shown.push(letter),
        }
    }
    shown
}

/// A span of code, whatever is in it. A bar would end a cell of a table.
fn code(text: &str) -> String {
    let text = clean(text).replace('|', "\\|");
    let fence = "`".repeat(ticks(&text) + 1);
    let room = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{room}{text}{room}{fence}")
}

/// The most backticks in a row.
fn ticks(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::text;

    #[test]
    fn words_of_others_are_words() {
        let said = |words: &str| line(&vec![text(words)]);
        assert_eq!(
            said("<script>alert(1)</script>"),
            "&lt;script&gt;alert(1)&lt;/script&gt;"
        );
        assert_eq!(
            said("- a\n# b | c_d *e* [f](g)"),
            "\\- a \\# b \\| c\\_d \\*e\\* \\[f\\](g)"
        );
        assert_eq!(said("1. first"), "1\\. first");
        assert_eq!(said("2026 was"), "2026 was");
        assert_eq!(said("21.5 ms"), "21.5 ms");
        assert_eq!(said("\u{202e}turned"), " turned");
    }

    #[test]
    fn code_ends_where_it_should() {
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a `b` c|d"), "``a `b` c\\|d``");
        assert_eq!(code("`"), "`` ` ``");
    }
}
