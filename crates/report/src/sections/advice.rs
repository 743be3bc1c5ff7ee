//! What to look for in the code, for each measure that deviated.

use inoculate_core::details::RunDetails;
use inoculate_core::experiment::{Experiment, Fault, Measure};
use inoculate_core::judge::Verdict;

use super::{recovery, with_faults};
use crate::advice::look_for;
use crate::document::{At, Block, Inline, Line, Section, line, text};

/// `None` when no measure deviated, or it is not known what was injected.
pub(super) fn section(details: &RunDetails) -> Option<Section> {
    let experiment = details.experiment.as_ref()?;
    let mut blocks: Vec<Block> = Vec::new();
    if let Some(window) = with_faults(details) {
        let deviated = |measure: &&Measure| {
            let found = window.finding(measure.name.as_str());
            found.is_some_and(|(finding, _)| finding.verdict == Verdict::Deviated)
        };
        for measure in experiment.steady_state.iter().filter(deviated) {
            blocks.extend(of_measure(experiment, measure));
        }
    }
    let is_harmed = details
        .results
        .evaluation
        .as_ref()
        .and_then(|evaluation| evaluation.recovered);
    if is_harmed == Some(Verdict::Deviated) && recovery(details).is_some() {
        blocks.push(Block::Heading(line("It did not recover")));
        let looks = RECOVERY.map(|(name, what)| vec![text(format!("{name}: ")), text(what)]);
        blocks.push(Block::List(looks.to_vec()));
    }
    (!blocks.is_empty()).then_some(Section {
        id: "advice",
        heading: "What to look for in the code",
        blocks,
    })
}

fn of_measure(experiment: &Experiment, measure: &Measure) -> Vec<Block> {
    let mut blocks = vec![Block::Heading(vec![Inline::Code(measure.name.to_string())])];
    for (index, fault) in experiment.faults.iter().enumerate() {
        let described = Inline::Of(fault.describe(), At::root().key("experiment/faults").item(index));
        blocks.push(Block::Paragraph(vec![text("It deviated while "), described, text(".")]));
        blocks.push(Block::List(looks(fault, measure)));
    }
    blocks
}

fn looks(fault: &Fault, measure: &Measure) -> Vec<Line> {
    let looks = look_for(fault, measure).into_iter();
    let lines = looks.map(|look| vec![text(format!("{}: ", look.weakness.name())), text(look.what)]);
    lines.collect()
}

/// What keeps a system from coming back after the faults are gone.
const RECOVERY: [(&str, &str); 3] = [
    (
        "backlog",
        "Did requests or events pile up, and do old ones go before new ones that somebody still waits for?",
    ),
    (
        "retries",
        "Do retries, of clients too, keep the load so high that nothing gets through? Limits, backoff with jitter \
         and circuit breakers end that.",
    ),
    (
        "state",
        "What is still as it was with the faults: an open circuit breaker, a cached failure, a dead connection, a \
         failover that does not come back?",
    ),
];
