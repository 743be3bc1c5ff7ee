//! A report as one page that loads nothing and runs nothing.
//!
//! Every word of the record passes `maud`, which escapes it. The only parts that do not are the plots, which are drawn
//! here from numbers and escaped names, and the record as JSON, in which no tag can be. A Content Security Policy allows
//! this one style sheet and nothing else, should that ever be wrong.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inoculate_core::notice::is_unsafe;
use inoculate_core::run::Status;
use inoculate_core::words::{clean, clock, time};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::chart::{Chart, TimeLine};
use crate::document::{Block, Document, Inline, Length, Line, Number, Section, Table};

const STYLE: &str = include_str!("report.css");

/// The whole page.
pub fn page(document: &Document) -> String {
    let title = clean(&document.title);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) " " @if let Some(verdict) = &document.verdict { (inline(verdict)) } }
                    @if let Some(hypothesis) = &document.hypothesis { blockquote { (line(hypothesis)) } }
                }
                nav aria-label="sections" {
                    @for section in &document.sections { a href={ "#" (section.id) } { (section.heading) } " " }
                }
                main { @for section in &document.sections { (part(section)) } }
                footer { "Inoculate. The record that this page is made of is in it, as JSON: the element " code { "#record" } "." }
                script type="application/json" id="record" { (PreEscaped(harmless(&document.json))) }
            }
        }
    };
    page.into_string()
}

/// What the page may load and run: this style sheet, and nothing else.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

/// JSON in which no tag can begin or end, and nothing turns or hides what follows. It means the same.
fn harmless(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for letter in json.chars() {
        if matches!(letter, '<' | '>' | '&') || is_unsafe(letter) {
            shown.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            shown.push(letter);
        }
    }
    shown
}

fn part(section: &Section) -> Markup {
    html! {
        section id=(section.id) {
            h2 { (section.heading) }
            @for block in &section.blocks { (piece(block)) }
        }
    }
}

fn piece(block: &Block) -> Markup {
    match block {
        Block::Heading(words) => html! { h3 { (line(words)) } },
        Block::Paragraph(words) => html! { p { (line(words)) } },
        Block::Facts(facts) => html! {
            dl { @for (name, value) in facts { dt { (name) } dd { (line(value)) } } }
        },
        Block::List(items) => html! { ul { @for item in items { li { (line(item)) } } } },
        Block::Commands(commands) => html! {
            @for command in commands { pre { code { (clean(command)) } } }
        },
        Block::Table(rows) => table(rows),
        Block::Chart(chart) => plot(chart),
        Block::TimeLine(time_line) => phases(time_line),
    }
}

fn table(table: &Table) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr { @for head in &table.heads { th scope="col" { (head) } } } }
                tbody { @for row in &table.rows { tr { @for cell in row { td { (line(cell)) } } } } }
            }
        }
    }
}

fn plot(chart: &Chart) -> Markup {
    let title = format!("{} over the run", clean(&chart.measure));
    html! {
        @if chart.is_empty() {
            p.empty { "There is nothing to plot: no value was measured." }
        } @else {
            figure.scroll tabindex="0" data-measure=(chart.measure) { (described(&chart.svg(), &title, &chart.description)) }
        }
        details { summary { "the numbers of this plot" } (table(&chart.numbers())) }
    }
}

fn phases(time_line: &TimeLine) -> Markup {
    let svg = described(
        &time_line.svg(),
        "phases and faults over the run",
        &time_line.description(),
    );
    html! { figure.scroll tabindex="0" data-time-line { (svg) } }
}

/// A picture with words for those who do not see it.
fn described(svg: &str, title: &str, description: &str) -> Markup {
    let (start, rest) = svg.split_once('>').unwrap_or((svg, ""));
    let words = html! { title { (title) } desc { (clean(description)) } };
    PreEscaped(format!("{start} role=\"img\">{}{rest}", words.into_string()))
}

fn line(words: &Line) -> Markup {
    html! { @for word in words { (inline(word)) } }
}

fn inline(inline: &Inline) -> Markup {
    match inline {
        Inline::Text(words) => html! { (clean(words)) },
        Inline::Said(words, at) => html! { span data-at=(at.as_str()) { (clean(words)) } },
        Inline::Of(words, at) => html! { span data-of=(at.as_str()) { (clean(words)) } },
        Inline::Code(words) => html! { code { (clean(words)) } },
        Inline::Number(number) => self::number(number),
        Inline::Time(when, at) => html! { time datetime=(when) data-at=(at.as_str()) { (time(*when)) } },
        Inline::Length(length) => lasted(length),
        Inline::Verdict(verdict, at) => html! {
            span class={ "verdict " (verdict) } data-at=(at.as_str()) data-said=(verdict) { (verdict) }
        },
        Inline::Status(status, at) => html! {
            span class={ "status " (kind(*status)) } data-at=(at.as_str()) data-said=(status) { (status) }
        },
    }
}

/// A number with all its digits for programs, and rounded for people.
fn number(number: &Number) -> Markup {
    html! { data value=(number.value) data-at=(number.at.as_str()) { (clean(&number.text())) } }
}

fn lasted(length: &Length) -> Markup {
    let until = length.until.1.as_ref().map(|at| at.as_str());
    html! {
        data.length value=(length.secs()) data-from=(length.from.1.as_str()) data-until=[until] { (clock(length.secs())) }
    }
}

/// How a status looks.
fn kind(status: Status) -> &'static str {
    match status {
        Status::Running | Status::Completed => "plain",
        Status::Refused | Status::Aborted => "early",
        Status::Failed | Status::RollbackFailed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_a_page_holds_no_tag_and_means_the_same() {
        let json = r#"{"a":"</script><!-- & \u202e","b":1}"#;
        let hostile = json.replace("\\u202e", "\u{202e}");
        let shown = harmless(&hostile);
        assert!(!shown.contains(['<', '>', '&', '\u{202e}']), "{shown}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(&hostile));
    }

    #[test]
    fn the_style_sheet_ends_where_it_should() {
        assert!(!STYLE.contains("</"));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
