//! `inoculate validate`

use std::path::{Path, PathBuf};

use inoculate_core::experiment::Experiment;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::read_file;
use crate::output::Output;
use crate::render::text::{count, wrap};

/// Checks every file, whatever is wrong with those before it.
pub(super) fn validate(files: &[PathBuf], output: &Output) -> Exit {
    let checked: Vec<_> = files.iter().map(|file| (file.as_path(), read_file(file))).collect();
    if output.json {
        let files: Vec<Value> = checked.iter().map(|(file, checked)| as_json(file, checked)).collect();
        output.result(&json!({ "files": files }), |_| String::new());
        for failure in checked.iter().filter_map(|(_, checked)| checked.as_ref().err()) {
            output.annotate(failure);
        }
    } else {
        for (file, checked) in &checked {
            match checked {
                Ok(experiment) => output.text(&valid(file, experiment)),
                Err(failure) => output.failure(failure),
            }
        }
    }
    if checked.iter().all(|(_, checked)| checked.is_ok()) {
        Exit::Upheld
    } else {
        Exit::Usage
    }
}

fn valid(file: &Path, experiment: &Experiment) -> String {
    let faults = count(experiment.faults.len(), "fault");
    let measures = count(experiment.steady_state.len(), "measure");
    let text = format!("valid: {}, {faults}, {measures}", experiment.name);
    wrap("", &format!("{}: {text}", file.display()))
}

fn as_json(file: &Path, checked: &Result<Experiment, Failure>) -> Value {
    let problems = match checked {
        Ok(experiment) => {
            return json!({ "file": file, "valid": true, "name": experiment.name, "problems": [] });
        }
        Err(Failure::Invalid(checked)) => json!(checked.problems),
        Err(Failure::Error(error)) => json!([{ "pointer": "", "message": error.message, "help": error.help }]),
    };
    json!({ "file": file, "valid": false, "problems": problems })
}
