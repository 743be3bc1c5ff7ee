//! What the experiment was allowed to do.

use inoculate_core::details::RunDetails;

use super::joined;
use crate::document::{At, Block, Inline, Line, Section};

/// `None` when the experiment could not be read.
pub(super) fn section(details: &RunDetails) -> Option<Section> {
    let experiment = details.experiment.as_ref()?;
    let at = At::root().key("experiment");
    let names = |names: Vec<String>| joined(names.into_iter().map(|name| vec![Inline::Code(name)]));
    let radius = &experiment.blast_radius;
    let functions = radius.functions.iter().map(ToString::to_string).collect();
    let mut facts: Vec<(&'static str, Line)> = vec![("functions that faults may touch", names(functions))];
    let watched = experiment
        .functions()
        .into_iter()
        .filter(|name| !radius.functions.contains(name));
    let watched: Vec<String> = watched.map(ToString::to_string).collect();
    if !watched.is_empty() {
        facts.push(("functions that were watched", names(watched)));
    }
    facts.extend(
        experiment
            .environment
            .iter()
            .map(|name| ("environment", vec![Inline::Code(name.to_string())])),
    );
    facts.extend(
        radius
            .key
            .iter()
            .map(|key| ("requests told apart by", vec![Inline::Code(key.clone())])),
    );
    let longest = Inline::Said(radius.longest.to_string(), at.key("blast_radius/longest"));
    facts.push(("longest time of the faults", vec![longest]));
    let guards = &experiment.guards;
    if !guards.alarms.is_empty() {
        facts.push(("alarms that end it", names(guards.alarms.clone())));
    }
    let own = guards.abort_when.iter().enumerate();
    let own = own.map(|(index, alarm)| vec![Inline::Of(alarm.to_string(), at.key("guards/abort_when").item(index))]);
    let own: Vec<Line> = own.collect();
    if !own.is_empty() {
        facts.push(("alarms of its own", joined(own)));
    }
    facts.push(("fingerprint", vec![Inline::Code(details.run.digest.clone())]));
    Some(Section {
        id: "experiment",
        heading: "What it was allowed",
        blocks: vec![Block::Facts(facts)],
    })
}
