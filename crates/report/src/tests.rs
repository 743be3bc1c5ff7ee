//! What a report says, of every way that a run can go.

use std::collections::BTreeSet;

use inoculate_core::details::RunDetails;
use inoculate_core::experiment::{Experiment, Fault};
use inoculate_core::judge::Verdict;
use inoculate_core::ports::Grounds;
use inoculate_core::run::{Cause, Event, Status};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::advice::{Weakness, look_for};
use crate::document::{Block, Document, Inline, Line};
use crate::samples::{self, at};
use crate::{Format, render, sections};

/// The time at which every report here is written.
const NOW: i64 = 300;

fn inconclusive() -> RunDetails {
    let mut details = samples::layered();
    details.run.verdict = Some(Verdict::Inconclusive);
    if let Some(evaluation) = &mut details.results.evaluation {
        evaluation.verdict = Verdict::Inconclusive;
        evaluation.grounds = Grounds::NeverFired;
        evaluation.because = "no request of shop-payments met a fault".to_owned();
        let during = evaluation.during.as_mut().unwrap();
        for finding in &mut during.findings {
            finding.verdict = Verdict::Inconclusive;
        }
    }
    details
}

fn aborted() -> RunDetails {
    let mut details = samples::upheld();
    details.run.status = Status::Aborted;
    if let Some(ending) = &mut details.run.ending {
        ending.status = Status::Aborted;
        ending.cause = Cause::Operator;
        ending.detail = "ended by an operator: incident 4711".to_owned();
    }
    details
}

/// A function with two faults, each for some of its requests.
fn two_faults() -> RunDetails {
    let mut details = samples::layered();
    let match_country = |country: &str| json!([{ "field": "/country", "equals": country }]);
    let faults = json!([
        { "kind": "latency", "function": "shop-payments", "delay": "1s", "match": match_country("DE") },
        { "kind": "hang", "function": "shop-payments", "match": match_country("FR") },
    ]);
    details.experiment.as_mut().unwrap().faults = serde_json::from_value(faults).unwrap();
    details
}

/// Faults are in place, and nobody has looked at the system since.
fn before_the_first_round() -> RunDetails {
    let mut details = samples::layered_under_way(&[]);
    details
        .journal
        .retain(|entry| !matches!(entry.event, Event::Observed { .. }));
    details.run.rounds = 0;
    details
}

/// A record in which nothing could be read but itself.
fn bare() -> RunDetails {
    let mut details = samples::refused();
    details.experiment = None;
    details.results = Default::default();
    details.journal.clear();
    details
}

/// Words of others that are long, not English, or mean something elsewhere.
fn strange() -> RunDetails {
    let mut details = samples::deviated();
    let strange = "<script>alert(1)</script> | `tick` *star* [link](http://x) 日本語 🦀 \u{202e}turned\nline";
    let experiment = details.experiment.as_mut().unwrap();
    experiment.hypothesis = strange.repeat(3);
    experiment.steady_state[0].unit = Some("<b>&\"".to_owned());
    experiment.guards.abort_when = samples::own_alarms();
    details.run.unchecked = vec![strange.to_owned()];
    let evaluation = details.results.evaluation.as_mut().unwrap();
    evaluation.because = format!("{strange} {}", "w".repeat(300));
    let finding = &mut evaluation.during.as_mut().unwrap().findings[0];
    finding.sentence = strange.to_owned();
    finding.unit = Some("<b>&\"".to_owned());
    finding.median = Some(f64::NAN);
    details
}

fn all() -> Vec<(&'static str, RunDetails)> {
    vec![
        ("upheld", samples::upheld()),
        ("deviated", samples::deviated()),
        ("not_recovered", samples::not_recovered()),
        ("groups", samples::layered()),
        ("inconclusive", inconclusive()),
        ("refused", samples::refused()),
        ("aborted", aborted()),
        ("rollback_failed", samples::rollback_failed()),
        ("under_way", samples::running()),
        ("groups_under_way", samples::layered_under_way(&[(60, 12), (120, 25)])),
        ("two_faults", two_faults()),
        ("before_the_first_round", before_the_first_round()),
        ("bare", bare()),
        ("strange", strange()),
    ]
}

#[test]
fn as_markdown() {
    for (name, details) in all() {
        assert_snapshot!(format!("markdown_{name}"), render(&details, at(NOW), Format::Markdown));
    }
}

#[test]
fn as_html() {
    for (name, details) in all() {
        assert_snapshot!(
            format!("html_{name}"),
            outline(&render(&details, at(NOW), Format::Html))
        );
    }
}

/// The elements that make the structure of a page, and how often one comes in a row. Of what only a page says, and of
/// headings, the words too.
fn outline(html: &str) -> String {
    const STRUCTURE: [&str; 12] = [
        "header", "h3", "section", "dl", "ul", "li", "table", "tr", "pre", "figure", "svg", "details",
    ];
    const WORDS: [&str; 8] = [
        "h1",
        "h2",
        "dt",
        "title",
        "desc",
        "summary",
        "footer",
        "p class=\"empty\"",
    ];
    let mut lines: Vec<(String, u32)> = Vec::new();
    let mut depth = 0_usize;
    for (place, _) in html.match_indices('<') {
        let (tag, rest) = html[place + 1..].split_once('>').unwrap();
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        let line = if WORDS.contains(&tag) {
            format!(
                "{}{name} {}",
                "  ".repeat(depth),
                words_until(rest, &format!("</{name}>"))
            )
        } else if !STRUCTURE.contains(&name) {
            continue;
        } else if tag.starts_with('/') {
            depth -= 1;
            continue;
        } else {
            depth += 1;
            format!("{}{name}", "  ".repeat(depth - 1))
        };
        match lines.last_mut().filter(|(last, _)| *last == line) {
            Some((_, times)) => *times += 1,
            None => lines.push((line, 1)),
        }
    }
    assert_eq!(depth, 0, "an element is not closed");
    let lines = lines
        .into_iter()
        .map(|(line, times)| if times > 1 { format!("{line} x{times}") } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// The words of an element, without the tags in it.
fn words_until(html: &str, end: &str) -> String {
    let (inside, _) = html.split_once(end).unwrap();
    let pieces = inside.split('<');
    let words = pieces.map(|piece| piece.split_once('>').map_or(piece, |(_, words)| words));
    words.collect()
}

/// Every word of a document, those of plots' tables included.
fn words(document: &Document) -> Vec<Inline> {
    let of_block = |block: &Block| -> Vec<Line> {
        match block {
            Block::Heading(line) | Block::Paragraph(line) => vec![line.clone()],
            Block::Facts(facts) => facts.iter().map(|(_, line)| line.clone()).collect(),
            Block::List(lines) => lines.clone(),
            Block::Table(table) => table.rows.concat(),
            Block::Chart(chart) => chart.numbers().rows.concat(),
            Block::Commands(_) | Block::TimeLine(_) => vec![],
        }
    };
    let blocks = document.sections.iter().flat_map(|section| &section.blocks);
    let lines = blocks.flat_map(of_block).chain(document.hypothesis.clone());
    lines.flatten().collect()
}

/// The numbers in a text: runs of digits.
fn digits(text: &str) -> BTreeSet<String> {
    let runs = text
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|run| !run.is_empty());
    runs.map(str::to_owned).collect()
}

/// Words of reports that have digits and are no numbers of a record.
const NAMES: [&str; 6] = ["round ", "status 200", "5xx and 429", "other 4xx", "with S3", "5xx"];

#[test]
fn every_number_is_the_one_of_the_record() {
    let mut compared = 0;
    for (name, details) in all() {
        let document = sections::document(&details, at(NOW));
        let record: Value = serde_json::from_str(&document.json).unwrap();
        assert_eq!(record, serde_json::to_value(&details).unwrap());
        let found = |place: &str| {
            record
                .pointer(place)
                .unwrap_or_else(|| panic!("{name}: nothing at {place}"))
        };
        for word in words(&document) {
            compared += 1;
            match word {
                Inline::Number(number) => assert_eq!(
                    found(number.at.as_str()).as_f64(),
                    Some(number.value),
                    "{name}: {number:?}"
                ),
                Inline::Time(when, place) => {
                    assert_eq!(*found(place.as_str()), Value::from(when.to_string()), "{name}")
                }
                Inline::Said(words, place) => assert_eq!(*found(place.as_str()), Value::from(words), "{name}"),
                Inline::Verdict(verdict, place) => assert_eq!(*found(place.as_str()), Value::from(verdict.to_string())),
                Inline::Status(status, place) => assert_eq!(*found(place.as_str()), Value::from(status.name())),
                Inline::Of(words, place) => {
                    let there = digits(&found(place.as_str()).to_string());
                    assert!(digits(&words).is_subset(&there), "{name}: {words} of {there:?}");
                }
                Inline::Length(length) => {
                    let (from, at_from) = length.from;
                    assert_eq!(*found(at_from.as_str()), Value::from(from.to_string()), "{name}");
                    match length.until {
                        (until, Some(place)) => {
                            assert_eq!(*found(place.as_str()), Value::from(until.to_string()), "{name}")
                        }
                        (until, None) => assert_eq!(until, at(NOW), "{name}"),
                    }
                }
                Inline::Text(words) => {
                    let is_name = NAMES.iter().any(|allowed| words.contains(allowed));
                    assert!(
                        is_name || digits(&words).is_empty(),
                        "{name}: a number of nowhere in `{words}`"
                    );
                }
                Inline::Code(_) => {}
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
fn the_page_holds_the_record_and_the_numbers_of_its_elements_are_there() {
    for (name, details) in all() {
        let page = render(&details, at(NOW), Format::Html);
        let (_, record) = page.split_once("id=\"record\">").unwrap();
        let (record, _) = record.split_once("</script>").unwrap();
        let record: Value = serde_json::from_str(record).unwrap();
        assert_eq!(record, serde_json::to_value(&details).unwrap(), "{name}");
        for element in page.split("<data value=\"").skip(1) {
            let (value, rest) = element.split_once('"').unwrap();
            let (place, _) = rest
                .trim_start()
                .strip_prefix("data-at=\"")
                .unwrap()
                .split_once('"')
                .unwrap();
            let recorded = record.pointer(place).and_then(Value::as_f64);
            assert_eq!(recorded, value.parse().ok(), "{name}: {place}");
        }
    }
}

#[test]
fn a_page_runs_nothing_and_loads_nothing() {
    for (name, details) in all() {
        let page = render(&details, at(NOW), Format::Html);
        assert_eq!(page.matches("<script").count(), 1, "{name}");
        assert!(page.contains("<script type=\"application/json\" id=\"record\">"));
        assert!(page.contains("default-src 'none'; style-src 'sha256-"), "{name}");
        for attribute in [
            " src=",
            " href=\"http",
            " onload=",
            " onerror=",
            " style=",
            "@import",
            "url(",
        ] {
            assert!(!page.contains(attribute), "{name}: {attribute}");
        }
        assert!(!page.contains('\u{202e}'), "{name}");
    }
    let page = render(&strange(), at(NOW), Format::Html);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

/// A fault of each kind, and one of each effect on calls.
fn every_fault() -> Vec<Fault> {
    let plain = [
        "kind: reserved_concurrency, executions: 0",
        "kind: timeout, timeout: 1s",
        "kind: memory, memory_mb: 128",
        "kind: event_source_disabled, source: 'arn:aws:sqs:eu-west-1:123456789012:orders'",
        "kind: latency, delay: 1s",
        "kind: error, error_type: Broken, message: m",
        "kind: response, status: 503",
        "kind: hang",
        "kind: corruption, every_bytes: 7",
        "kind: truncation, keep_bytes: 7",
        "kind: duplicate",
        "kind: fill_tmp, megabytes: 10",
        "kind: memory_pressure, megabytes: 10",
        "kind: cpu_pressure, threads: 1",
        "kind: crash",
    ];
    let effects = [
        "kind: error, code: ThrottlingException",
        "kind: response, status: 503",
        "kind: latency, delay: 1s",
        "kind: refuse",
        "kind: reset",
        "kind: hang",
        "kind: truncation, keep_bytes: 7",
        "kind: unprocessed",
    ];
    let calls = |calls: &str, effect: &str| format!("kind: dependency, calls: {{ {calls} }}, effect: {{ {effect} }}");
    let effects = effects.iter().map(|effect| match *effect {
        "kind: unprocessed" => calls("service: dynamodb, operations: [BatchWriteItem]", effect),
        effect => calls("service: dynamodb", effect),
    });
    let regional = calls("region: us-east-1", "kind: refuse");
    let narrow = calls("host: api.example.com", "kind: bandwidth, bytes_per_second: 1000");
    let faults = plain
        .iter()
        .map(|fault| (*fault).to_owned())
        .chain(effects)
        .chain([regional, narrow]);
    faults.map(|fault| experiment_with(&fault).faults.remove(0)).collect()
}

fn experiment_with(fault: &str) -> Experiment {
    let percent = ["reserved", "timeout", "memory,", "event_source"]
        .iter()
        .any(|kind| fault.contains(&format!("kind: {kind}")));
    let text = format!(
        "name: every\nhypothesis: h\nblast_radius: {{ functions: [payments], percent: {}, longest: 1m }}\n\
         windows: {{ baseline: 1m, recovery: 1m }}\nfaults: [{{ function: payments, {fault} }}]\nsteady_state:\n\
         - {{ name: time, layer: {{ function: checkout, statistic: p90 }}, tolerance: {{ at_most: 1 }} }}\n\
         - {{ name: errors, layer: {{ function: payments, statistic: error_rate }}, tolerance: {{ at_most: 1 }} }}\n",
        if percent { 100 } else { 50 }
    );
    inoculate_core::read::experiment_from_text(&text).unwrap_or_else(|problems| panic!("{fault}: {problems:#?}"))
}

#[test]
fn there_is_advice_for_every_kind_of_fault() {
    let schema = Experiment::json_schema();
    let kinds = |name: &str| -> BTreeSet<String> {
        let kinds = schema["$defs"][name]["oneOf"].as_array().unwrap();
        kinds
            .iter()
            .map(|kind| kind["properties"]["kind"]["const"].as_str().unwrap().to_owned())
            .collect()
    };
    let faults = every_fault();
    let seen: BTreeSet<String> = faults.iter().map(|fault| fault.kind().to_owned()).collect();
    assert_eq!(seen, kinds("Fault"));
    let effects = faults.iter().filter_map(|fault| match fault {
        Fault::Dependency { effect, .. } => Some(
            serde_json::to_value(effect).unwrap()["kind"]
                .as_str()
                .unwrap()
                .to_owned(),
        ),
        _ => None,
    });
    assert_eq!(effects.collect::<BTreeSet<_>>(), kinds("DependencyEffect"));

    let measures = experiment_with("kind: hang").steady_state;
    let mut table = Vec::new();
    let mut weaknesses = BTreeSet::new();
    for fault in &faults {
        table.push(format!("{}:", fault.describe()));
        for measure in &measures {
            let looks = look_for(fault, measure);
            assert!(looks.len() >= 2, "{fault:?}");
            let names: Vec<&str> = looks.iter().map(|look| look.weakness.name()).collect();
            assert_eq!(
                names.iter().collect::<BTreeSet<_>>().len(),
                names.len(),
                "twice the same: {names:?}"
            );
            assert!(looks.iter().all(|look| !look.what.contains(['{', '}'])), "{looks:?}");
            assert!(looks.iter().all(|look| !look.what.contains("  ")), "{looks:?}");
            table.push(format!("  {}: {}", measure.name, names.join(", ")));
            weaknesses.extend(names);
        }
        table.extend(
            look_for(fault, &measures[1])
                .iter()
                .map(|look| format!("    {}", look.what)),
        );
    }
    let all = [
        Weakness::Timeouts,
        Weakness::Retries,
        Weakness::Fallback,
        Weakness::ErrorHandling,
        Weakness::Failover,
        Weakness::Idempotency,
        Weakness::Capacity,
    ];
    assert_eq!(weaknesses, all.map(Weakness::name).into_iter().collect());
    assert_snapshot!(table.join("\n"));
}
