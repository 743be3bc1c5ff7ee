//! Everything that is recorded of a run on one page, as HTML or Markdown.
//!
//! Pure: [`RunDetails`] in, text out. The HTML is one file that loads nothing and runs nothing.
//!
//! | look in | for |
//! |---|---|
//! | [`sections`] | what a report says |
//! | [`advice`] | what to look for in the code when a measure deviated, by kind of fault |
//! | [`document`] | a report as data |
//! | [`chart`] | the plots |
//! | [`html`], [`markdown`] | how it is written down |

pub mod advice;
pub mod chart;
pub mod document;
pub mod html;
pub mod markdown;
pub mod sections;

use inoculate_core::details::RunDetails;
use jiff::Timestamp;

/// How a report is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One self-contained page.
    Html,
    /// GitHub's Markdown, without plots.
    Markdown,
}

/// The report of a run. `now` counts for a run that is not over.
pub fn render(details: &RunDetails, now: Timestamp, format: Format) -> String {
    let document = sections::document(details, now);
    match format {
        Format::Html => html::page(&document),
        Format::Markdown => markdown::text(&document),
    }
}

#[cfg(test)]
#[path = "../../cli/src/render/samples.rs"]
mod samples;
#[cfg(test)]
mod tests;
