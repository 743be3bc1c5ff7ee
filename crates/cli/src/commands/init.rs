//! `inoculate init`

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use inoculate_core::error::{Code, Error};
use serde_json::{Value, json};

use crate::args::Init;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::render;
use crate::templates::{Names, TEMPLATES, Template};

/// Writes the experiment that the options ask for to a file, or names the templates.
pub(super) fn init(what: &Init, output: &Output) -> Result<Exit, Failure> {
    let Some(template) = what.template else {
        return Ok(list(output));
    };
    let names = Names {
        function: what.function.clone(),
        dependency: what.dependency.clone(),
        table: what.table.clone(),
        key: what.key.clone(),
        region: what.region.clone(),
    };
    let (text, experiment) = template.fill(&names)?;
    let named = || PathBuf::from(format!("{}.yaml", experiment.name));
    let file = what.file.clone().unwrap_or_else(named);
    write(&file, &text, what.force)?;
    let written = json!({ "template": template.name, "file": file, "experiment": experiment.name });
    output.result(&written, |_| render::init::written(&file, &experiment));
    Ok(Exit::Upheld)
}

fn list(output: &Output) -> Exit {
    let as_json = |template: &Template| -> Value {
        json!({ "name": template.name, "weakness": template.weakness(), "options": template.options() })
    };
    let all: Vec<Value> = TEMPLATES.iter().map(as_json).collect();
    output.result(&json!({ "templates": all }), |_| render::init::list(TEMPLATES));
    Exit::Upheld
}

/// Writes a file. What is there already is overwritten only with `force`.
fn write(file: &Path, text: &str, force: bool) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options.open(file).and_then(|mut open| open.write_all(text.as_bytes()));
    written.map_err(|error| {
        let file = file.display();
        match error.kind() {
            ErrorKind::AlreadyExists => Error::new(Code::Conflict, format!("{file} is there already"))
                .help("--force overwrites it; or give another file"),
            _ => Error::new(Code::InvalidExperiment, format!("{file} cannot be written: {error}"))
                .help("check the path and its permissions"),
        }
    })
}
