//! `inoculate import`

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use inoculate_core::error::{Code, Error};
use serde_json::{Value, json};

use crate::args::{EventSource, Variable};
use crate::chaostoolkit::{self, Draft, Given, Source, import};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::{Checked, read_text};
use crate::output::Output;
use crate::render;

/// What a person asks for beside the file.
pub(super) struct Wanted<'a> {
    pub(super) out: Option<&'a PathBuf>,
    pub(super) check: bool,
    pub(super) variables: &'a [Variable],
    pub(super) event_sources: &'a [EventSource],
}

/// Makes an experiment of one of Chaos Toolkit, and says what became of each part of it.
pub(super) fn chaostoolkit(file: &Path, wanted: &Wanted<'_>, output: &Output) -> Result<Exit, Failure> {
    let shown = file.display().to_string();
    let name = file
        .file_name()
        .map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
    let draft = import(&name, &read(file)?, &given(wanted)).map_err(|why| {
        Error::new(Code::InvalidExperiment, format!("{shown}: {why}")).help("docs/chaos-toolkit.md says what is read")
    })?;
    let written = wanted.out.filter(|_| !wanted.check);
    if let Some(path) = written {
        write_new(path, &draft.text)?;
    }
    if output.json {
        output.result(&as_json(&shown, &draft), |_| String::new());
    } else if wanted.check || written.is_some() {
        output.text(&render::import::text(
            &draft,
            written.map(PathBuf::as_path),
            output.stdout,
        ));
    } else {
        output.text(&draft.text);
        output.progress(&render::import::text(&draft, None, output.stderr));
    }
    Ok(if draft.experiment.is_some() {
        Exit::Upheld
    } else {
        Exit::Usage
    })
}

fn given(wanted: &Wanted<'_>) -> Given {
    let variables = wanted
        .variables
        .iter()
        .map(|Variable { name, value }| (name.clone(), value.clone()));
    let event_sources = wanted.event_sources.iter().map(|EventSource { uuid, function, arn }| {
        let source = Source {
            function: function.clone(),
            arn: arn.clone(),
        };
        (uuid.clone(), source)
    });
    Given {
        variables: variables.collect(),
        event_sources: event_sources.collect(),
    }
}

fn read(file: &Path) -> Result<Value, Failure> {
    let text = read_text(file)?;
    chaostoolkit::read(&text).map_err(|problems| {
        Failure::from(Checked {
            source: file.display().to_string(),
            text,
            problems,
        })
    })
}

/// Writes a file that is not there yet.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => Error::new(Code::Conflict, format!("{} is there already", path.display()))
            .help("name another file, or remove this one"),
        _ => {
            Error::new(Code::Internal, format!("{} cannot be written: {error}", path.display())).help("check the path")
        }
    };
    let mut file = File::create_new(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn as_json(file: &str, draft: &Draft) -> Value {
    json!({
        "file": file,
        "valid": draft.experiment.is_some(),
        "experiment": draft.experiment,
        "parts": draft.parts,
        "problems": draft.problems,
    })
}
