//! What happened, entry by entry.

use inoculate_core::details::RunDetails;
use inoculate_core::words::happened;

use crate::document::{At, Block, Inline, Length, Line, Number, Section, Table};

/// `None` when there is no journal.
pub(super) fn section(details: &RunDetails) -> Option<Section> {
    let opened = (details.run.opened_at, At::root().key("run/opened_at"));
    let rows = details.journal.iter().enumerate().map(|(index, entry)| {
        let place = At::root().key("journal").item(index);
        let since = Length {
            from: opened.clone(),
            until: (entry.at, Some(place.key("at"))),
        };
        let (what, detail) = happened(&entry.event);
        vec![
            vec![Inline::Number(Number::count(entry.number, place.key("number")))],
            vec![Inline::Time(entry.at, place.key("at"))],
            vec![Inline::Length(since)],
            vec![Inline::Of(what, place.clone())],
            vec![Inline::Of(detail, place)],
        ]
    });
    let rows: Vec<Vec<Line>> = rows.collect();
    (!rows.is_empty()).then(|| Section {
        id: "journal",
        heading: "Journal",
        blocks: vec![Block::Table(Table::new(
            &["", "when", "since the start", "what", "detail"],
            rows,
        ))],
    })
}
