//! What was found in a file, put together as an experiment with comments.

use inoculate_core::experiment::Experiment;
use inoculate_core::names::FunctionName;
use inoculate_core::read::{Problem, experiment_from_text};
use inoculate_core::span::Span;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::parts::{Part, whole};
use super::super::yaml;
use super::{Importer, word};

/// What was made of a file.
#[derive(Debug, Serialize)]
pub struct Draft {
    /// The experiment; `None` while something is missing in it.
    pub experiment: Option<Experiment>,
    /// Its text, with comments. It is the experiment, or the part of it that there is.
    pub text: String,
    /// What became of each part of the file, in the order in which they were read.
    pub parts: Vec<Part>,
    /// What keeps it from being valid, with pointers into it.
    pub problems: Vec<Problem>,
}

impl Importer<'_> {
    /// The least percent that is asked for: another would widen the reach of a fault.
    fn percent(&mut self) -> f64 {
        let asked = self.faults.iter().filter_map(|(_, made)| made.percent);
        let percent = asked.clone().fold(100.0, f64::min);
        if asked.clone().any(|other| other > percent) {
            let note =
                format!("All faults of a run meet the same requests: {percent} percent, the least that is asked for.");
            self.comments
                .entry("/blast_radius/percent".to_owned())
                .or_default()
                .push(note);
        }
        percent
    }

    /// The draft, with what the file says of itself.
    pub(super) fn draft(mut self, source: &str, file: &Value) -> Draft {
        let experiment = self.experiment(file);
        self.header(source, file);
        let text = yaml::text(&experiment, &self.comments);
        let (experiment, problems) = match experiment_from_text(&text) {
            Ok(experiment) => (Some(experiment), Vec::new()),
            Err(problems) => (None, problems),
        };
        Draft {
            experiment,
            text,
            parts: self.parts,
            problems,
        }
    }

    /// The title, with values in the place of names that have one.
    fn title(&self, file: &Value) -> String {
        let written = text_at(file, "/title").unwrap_or_default();
        match self.variables.substituted(&Value::from(written)) {
            Ok(Value::String(title)) => title,
            _ => written.to_owned(),
        }
    }

    fn experiment(&mut self, file: &Value) -> Value {
        let title = self.title(file);
        let hypothesis = text_at(file, "/steady-state-hypothesis/title").or_else(|| text_at(file, "/description"));
        let hypothesis: String = hypothesis.unwrap_or(&title).chars().take(1000).collect();
        let mut functions: Vec<&FunctionName> = self.faults.iter().map(|(_, made)| &made.function).collect();
        functions.sort();
        functions.dedup();
        let functions = json!(functions);
        let percent = self.percent();
        if self.measures.is_empty() {
            // Room for the measure that is still to be written.
            self.needs.period = Span::from_secs(60);
        }
        let lengths = self.needs.lengths();
        if !lengths.notes.is_empty() && !self.faults.is_empty() {
            self.comments.insert("/blast_radius/longest".to_owned(), lengths.notes);
        }
        self.say_what_is_missing();
        let mut experiment = json!({
            "name": word(&title, "imported"),
            "hypothesis": hypothesis,
            "blast_radius": { "functions": functions, "percent": whole(percent), "longest": lengths.longest },
            "windows": lengths.windows,
            "faults": self.faults.iter().map(|(_, made)| &made.fault).collect::<Vec<_>>(),
            "steady_state": self.measures.iter().map(|(_, measure)| measure).collect::<Vec<_>>(),
        });
        if !self.alarms.is_empty() {
            experiment["guards"] = json!({ "alarms": self.alarms });
        }
        experiment
    }

    fn say_what_is_missing(&mut self) {
        if self.faults.is_empty() {
            let missing = "Missing: no action of the method became a fault. docs/experiment.md has all kinds.";
            self.comments.insert("/faults".to_owned(), vec![missing.to_owned()]);
        }
        let function = self
            .faults
            .first()
            .map_or("my-function", |(_, made)| made.function.as_str());
        let said = if self.measures.is_empty() {
            let example = format!(
                "[{{ name: errors, period: 1m, metric: {{ namespace: AWS/Lambda, name: Errors, dimensions: {{ FunctionName: \
                 {function} }}, statistic: Sum }}, tolerance: {{ at_most: 1 }} }}]"
            );
            let missing = "Missing: no probe became a measure; an alarm only ends a run. What is normal? For example:";
            vec![missing.to_owned(), example]
        } else {
            let no_data =
                "No data is 0 to Chaos Toolkit. Here it is no data, and never a reason to say that all is well.";
            vec![no_data.to_owned()]
        };
        self.comments.insert("/steady_state".to_owned(), said);
    }

    fn header(&mut self, source: &str, file: &Value) {
        let title = self.title(file);
        let mut lines = vec![format!("Imported from the Chaos Toolkit experiment {source}: {title}")];
        lines.extend(text_at(file, "/description").map(str::to_owned));
        let left: Vec<String> = self
            .parts
            .iter()
            .filter_map(|part| Some(format!("- {}, {}: {}", part.pointer, part.what, part.why_left_out()?)))
            .collect();
        if !left.is_empty() {
            lines.extend([String::new(), "Left out:".to_owned()]);
            lines.extend(left);
        }
        self.comments.insert(String::new(), lines);
    }
}

fn text_at<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    let text = value.pointer(pointer)?.as_str()?;
    (!text.trim().is_empty()).then_some(text)
}
