//! What pictures show, read back from their shapes by the labels of their axes.

mod measure;
mod picture;
mod time_line;

use inoculate_core::details::RunDetails;

use crate::document::Block;
use crate::samples::{self, at};
use crate::sections;

/// The time at which the runs are shown that are not over.
const NOW: i64 = 300;

fn blocks(details: &RunDetails) -> impl Iterator<Item = Block> {
    let sections = sections::document(details, at(NOW)).sections.into_iter();
    sections.flat_map(|section| section.blocks)
}

/// Two rounds of a run with groups. Of the requests with the fault, 20 and 20.83 percent failed.
fn groups_under_way() -> RunDetails {
    samples::layered_under_way(&[(60, 12), (120, 25)])
}
