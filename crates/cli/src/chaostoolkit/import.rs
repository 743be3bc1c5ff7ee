//! A file of Chaos Toolkit to an experiment.

mod draft;

use std::collections::BTreeMap;

use inoculate_core::names::FunctionName;
use inoculate_core::read::{Problem, experiment_from_value, value_from_text};
use inoculate_core::span::Span;
use serde_json::{Map, Value, json};

pub use super::actions::Source;
use super::actions::{self, Made};
use super::activity::{Entry, PROBES, entries, is_probe};
use super::parts::{Part, child, items};
use super::probes::{self, Measured};
use super::variables::Variables;
use super::windows::Needs;
use super::yaml::Comments;
pub use draft::Draft;

/// What a person adds to a file.
#[derive(Debug, Default)]
pub struct Given {
    /// Values of the configuration, by name.
    pub variables: BTreeMap<String, String>,
    /// Event source mappings, by UUID.
    pub event_sources: BTreeMap<String, Source>,
}

/// Reads the text of a file. JSON first: Chaos Toolkit reads it with a parser of JSON, to which tabs are blanks.
///
/// # Errors
/// Why it is neither JSON nor YAML.
pub fn read(text: &str) -> Result<Value, Vec<Problem>> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => value_from_text(text),
    }
}

/// Makes an experiment of one of Chaos Toolkit. `source` names the file, for the comments.
///
/// The same file gives the same draft. What does not map is left out, never replaced by something near it.
///
/// # Errors
/// Why it is no experiment of Chaos Toolkit, or which given value it has no use for.
pub fn import(source: &str, file: &Value, given: &Given) -> Result<Draft, String> {
    let fields = file.as_object().filter(|fields| fields.contains_key("method"));
    let Some(fields) = fields else {
        return Err("this is no experiment of Chaos Toolkit: it has no `method`".to_owned());
    };
    let mut importer = Importer::of(fields, given)?;
    importer.hypothesis(file);
    importer.method(file);
    importer.rollbacks(file);
    importer.other_fields(fields);
    Ok(importer.draft(source, file))
}

/// What was found so far.
struct Importer<'a> {
    given: &'a Given,
    variables: Variables,
    parts: Vec<Part>,
    faults: Vec<(String, Made)>,
    measures: Vec<(String, Value)>,
    alarms: Vec<String>,
    comments: Comments,
    needs: Needs,
}

/// The fields of a file, and why they are left out; `None` for those that are read, or say nothing that a run needs.
#[rustfmt::skip]
const FIELDS: [(&str, Option<&str>); 14] = [
    ("version", None), ("title", None), ("description", None), ("configuration", None), ("secrets", None), ("controls", None),
    ("steady-state-hypothesis", None), ("method", None), ("rollbacks", None),
    ("tags", Some("experiments have no tags; the name says what it is about")),
    ("contributions", Some("experiments say nothing of contributions")),
    ("extensions", Some("they are for other programs")),
    ("runtime", Some("a run always takes its faults away, and ends early when harm is established")),
    ("dry", Some("`inoculate plan` says what a run would do")),
];

impl<'a> Importer<'a> {
    fn of(fields: &Map<String, Value>, given: &'a Given) -> Result<Importer<'a>, String> {
        let mut parts = Vec::new();
        let variables = Variables::of(fields, &given.variables, &mut parts);
        let variables =
            variables.map_err(|name| format!("there is no `{name}` in the configuration to give a value to"))?;
        Ok(Importer {
            given,
            variables,
            parts,
            faults: Vec::new(),
            measures: Vec::new(),
            alarms: Vec::new(),
            comments: Comments::new(),
            needs: Needs {
                pauses: 0.0,
                period: Span::from_secs(10),
                delay: 0,
            },
        })
    }

    fn left_out(&mut self, pointer: &str, what: &str, why: impl Into<String>) {
        self.parts.push(Part::left_out(pointer, what, why));
    }

    fn automatic(&mut self, pointer: &str, what: &str, why: impl Into<String>) {
        self.parts.push(Part::automatic(pointer, what, why));
    }

    /// The probes of the steady state: measures and alarms.
    fn hypothesis(&mut self, file: &Value) {
        self.controls("/steady-state-hypothesis", &file["steady-state-hypothesis"]);
        for entry in entries(file, PROBES) {
            let (pointer, probe, what) = (&entry.pointer, entry.written, entry.label());
            self.controls(pointer, probe);
            match probes::meant(probe, &self.variables) {
                Ok(probes::Meant::Measure(measured)) => self.measure(pointer, &what, probe, measured),
                Ok(probes::Meant::Alarm { name, notes }) => self.alarm(pointer, &what, name, notes),
                Err(why) => self.left_out(pointer, &what, why),
            }
        }
    }

    fn measure(&mut self, pointer: &str, what: &str, probe: &Value, measured: Measured) {
        let written = probe.get("name").and_then(Value::as_str).unwrap_or_default();
        let taken = |name: &str| self.measures.iter().any(|(_, measure)| measure["name"] == name);
        let mut measure = json!({ "name": unique(&word(written, "measure"), taken) });
        for field in ["unit", "period", "metric", "tolerance"] {
            if let Some(value) = measured.measure.get(field) {
                measure[field] = value.clone();
            }
        }
        if let Some(why) = refused("/steady_state/0", &measure) {
            return self.left_out(pointer, what, why);
        }
        let into = child("/steady_state", self.measures.len());
        self.needs.period = self.needs.period.max(measured.period);
        self.needs.delay = self.needs.delay.max(measured.delay);
        self.measures.push((pointer.to_owned(), measure));
        self.became(pointer, what, into, measured.notes);
    }

    fn alarm(&mut self, pointer: &str, what: &str, name: String, notes: Vec<String>) {
        if self.alarms.contains(&name) {
            return self.automatic(pointer, what, "the alarm guards the run already");
        }
        let into = child("/guards/alarms", self.alarms.len());
        self.alarms.push(name);
        self.became(pointer, what, into, notes);
    }

    /// A part is a part of the experiment, which says so.
    fn became(&mut self, pointer: &str, what: &str, into: String, notes: Vec<String>) {
        let mut said = vec![format!("{pointer}: {what}")];
        said.extend(notes.iter().cloned());
        self.comments.insert(into.clone(), said);
        self.parts.push(Part::becomes(pointer, what, into, notes));
    }

    /// The actions of the method: faults. They are there together, from the first pause after one of them.
    fn method(&mut self, file: &Value) {
        let method: Vec<(Entry, Option<Result<actions::Meant, String>>)> = entries(file, "/method")
            .map(|entry| {
                let meant = self.meant(&entry);
                (entry, meant)
            })
            .collect();
        let changes_settings = method
            .iter()
            .any(|(_, meant)| matches!(meant, Some(Ok(actions::Meant::Fault(made))) if made.percent.is_none()));
        let mut is_over = false;
        for (entry, meant) in method {
            self.controls(&entry.pointer, entry.written);
            self.pause(&entry, "before", is_over);
            match meant {
                Some(meant) => is_over |= self.action(&entry.pointer, &entry.label(), meant, changes_settings),
                None => self.watched(&entry, "method"),
            }
            self.pause(&entry, "after", is_over);
        }
    }

    /// What an action does; `None` for an activity that only looks.
    fn meant(&self, entry: &Entry) -> Option<Result<actions::Meant, String>> {
        let activity = match &entry.activity {
            Ok((_, activity)) if is_probe(activity) => return None,
            Ok((_, activity)) => activity,
            Err(why) => return Some(Err(why.clone())),
        };
        let dry = activity.get("dry").and_then(Value::as_str);
        if matches!(dry, Some("actions" | "activities")) {
            return Some(Err("it is marked `dry`: it is not meant to do anything".to_owned()));
        }
        Some(actions::meant(activity, &self.variables, &self.given.event_sources))
    }

    /// An action of the method. Says whether it ends a fault.
    fn action(
        &mut self,
        pointer: &str,
        what: &str,
        meant: Result<actions::Meant, String>,
        changes_settings: bool,
    ) -> bool {
        match meant {
            Ok(actions::Meant::Fault(made)) => self.fault(pointer, what, made, changes_settings),
            Ok(actions::Meant::Undoes { kind, function }) => {
                let Some(first) = self.fault_of(kind, &function) else {
                    let why = format!(
                        "it takes away what nothing here has put in place: there is no `{kind}` of {function} before it"
                    );
                    self.left_out(pointer, what, why);
                    return false;
                };
                let why = format!("the run itself ends {first}, together with its other faults");
                self.automatic(pointer, what, why);
                return true;
            }
            Err(why) => self.left_out(pointer, what, why),
        }
        false
    }

    fn fault(&mut self, pointer: &str, what: &str, made: Made, changes_settings: bool) {
        if let Some(percent) = made.percent.filter(|percent| *percent < 100.0 && changes_settings) {
            let why = format!(
                "it would meet every request and not {percent} percent: another action here changes a setting, which \
                 meets every request. Import it by itself"
            );
            return self.left_out(pointer, what, why);
        }
        if let Some(first) = self.fault_of(made.kind, &made.function) {
            let why = format!("a run changes this once, as {first} says, and puts back what was there before");
            return self.left_out(pointer, what, why);
        }
        if let Some(why) = refused("/faults/0", &made.fault) {
            return self.left_out(pointer, what, why);
        }
        let into = child("/faults", self.faults.len());
        let notes = made.notes.clone();
        self.faults.push((pointer.to_owned(), made));
        self.became(pointer, what, into, notes);
    }

    /// Where in the file the fault of this kind comes from.
    fn fault_of(&self, kind: &str, function: &FunctionName) -> Option<String> {
        let found = self
            .faults
            .iter()
            .find(|(_, made)| made.kind == kind && made.function == *function);
        found.map(|(pointer, _)| pointer.clone())
    }

    /// An activity of a list that only looks.
    fn watched(&mut self, entry: &Entry, list: &str) {
        let (pointer, what) = (&entry.pointer, &entry.label());
        let at = entry.activity.as_ref().map_or(pointer, |(at, _)| at);
        match self
            .parts
            .iter()
            .find(|part| part.pointer == *at && at.starts_with(PROBES))
        {
            Some(probe) if probe.why_left_out().is_none() => {
                let why = "what is measured is measured all the time that the faults are there, and after it";
                self.automatic(pointer, what, why);
            }
            Some(_) => self.left_out(pointer, what, format!("{at}, to which it refers, is left out")),
            None => {
                let why = format!("nothing is judged by a probe of the {list}, only by those of the steady state");
                self.left_out(pointer, what, why);
            }
        }
    }

    /// A pause counts while a fault is there.
    fn pause(&mut self, entry: &Entry, when: &str, is_over: bool) {
        if self.faults.is_empty() || is_over {
            return;
        }
        let Ok((at, activity)) = &entry.activity else {
            return;
        };
        let Some(written) = activity.pointer(&format!("/pauses/{when}")) else {
            return;
        };
        let secs = self.variables.substituted(written).and_then(|value| match &value {
            Value::String(text) => text.parse().map_err(|_| format!("{value} is no number of seconds")),
            other => other.as_f64().ok_or_else(|| format!("{value} is no number of seconds")),
        });
        match secs {
            Ok(secs) => self.needs.pauses += f64::max(secs, 0.0),
            Err(why) => {
                let pointer = format!("{at}/pauses/{when}");
                // More than one entry may refer to it.
                if !self.parts.iter().any(|part| part.pointer == pointer) {
                    self.left_out(&pointer, "pause", why);
                }
            }
        }
    }

    /// The rollbacks: a run puts back whatever it changed.
    fn rollbacks(&mut self, file: &Value) {
        for entry in entries(file, "/rollbacks") {
            let (pointer, what) = (&entry.pointer, &entry.label());
            self.controls(pointer, entry.written);
            let (kind, function) = match self.meant(&entry) {
                Some(Ok(actions::Meant::Undoes { kind, function })) => (kind, function),
                Some(Ok(actions::Meant::Fault(made))) => (made.kind, made.function),
                Some(Err(why)) => {
                    self.left_out(pointer, what, why);
                    continue;
                }
                None => {
                    self.watched(&entry, "rollbacks");
                    continue;
                }
            };
            match self.fault_of(kind, &function) {
                Some(first) => {
                    let why = format!("the run itself puts back what was there before {first}");
                    self.automatic(pointer, what, why);
                }
                None => self.left_out(pointer, what, "nothing that was imported needs it"),
            }
        }
    }

    fn controls(&mut self, pointer: &str, of: &Value) {
        for (at, control) in items(of, "/controls") {
            let name = control.get("name").and_then(Value::as_str).unwrap_or("control");
            let why = "a run calls nothing in between; guards, alarms and the record of the run are there for it";
            self.left_out(&format!("{pointer}{at}"), name, why);
        }
    }

    fn other_fields(&mut self, fields: &Map<String, Value>) {
        self.controls("", &Value::Object(fields.clone()));
        for name in fields.keys() {
            match FIELDS.iter().find(|(known, _)| known == name) {
                Some((_, None)) => {}
                Some((_, Some(why))) => self.left_out(&child("", name), "field", *why),
                None => self.left_out(&child("", name), "field", "Chaos Toolkit does not know it either"),
            }
        }
    }
}

/// A text as a name: what names cannot have becomes `-`.
fn word(text: &str, without: &str) -> String {
    const LONGEST: usize = 60;
    let mut name = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            name.push(letter.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(LONGEST);
    let name = name.trim_end_matches('-');
    if name.is_empty() {
        without.to_owned()
    } else {
        name.to_owned()
    }
}

fn unique(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let others = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(others);
    names.find(|name| !taken(name)).unwrap_or_else(|| name.to_owned())
}

/// What the format has against a fault or a measure, in a run that is right for it otherwise.
fn refused(pointer: &str, part: &Value) -> Option<String> {
    let window = json!("90m");
    let mut experiment = json!({
        "name": "n", "hypothesis": "h",
        "blast_radius": { "functions": [part.get("function").unwrap_or(&json!("f"))], "percent": 100, "longest": window },
        "windows": { "baseline": window, "recovery": window },
        "faults": [{ "kind": "reserved_concurrency", "function": "f", "executions": 0 }],
        "steady_state": [{ "name": "m", "metric": { "namespace": "N", "name": "m", "statistic": "Sum" }, "tolerance": { "at_most": 0 } }],
    });
    *experiment.pointer_mut(pointer)? = part.clone();
    let problems = experiment_from_value(&experiment).err()?;
    let about = problems
        .into_iter()
        .find(|problem| problem.pointer.starts_with(pointer))?;
    let help = about.help.map(|help| format!(" ({help})")).unwrap_or_default();
    Some(format!("{}{help}", about.message))
}
