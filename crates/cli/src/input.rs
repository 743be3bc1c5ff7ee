//! The experiments that a command is given: files, or names of saved ones.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use inoculate_core::error::{Code, Error};
use inoculate_core::experiment::{Experiment, MAX_EXPERIMENT_BYTES};
use inoculate_core::names::{ExperimentName, MeasureName};
use inoculate_core::ports::Library;
use inoculate_core::read::{Problem, experiment_from_text, experiment_from_value, places_of_measures};

use crate::failure::Failure;

/// An experiment with mistakes, and the text they are in.
#[derive(Debug)]
pub struct Checked {
    /// Where it came from, for people: a path, or the name of a saved experiment.
    pub source: String,
    /// The text; empty when there is none to point into.
    pub text: String,
    /// Every mistake, in the order of the text.
    pub problems: Vec<Problem>,
}

impl Checked {
    /// The file with the mistakes; `None` for a saved experiment.
    pub fn file(&self) -> Option<&Path> {
        (!self.text.is_empty()).then_some(Path::new(&self.source))
    }
}

/// What a person gave as `FILE|NAME`.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// A file: the experiment in it.
    Written(Box<Experiment>),
    /// A saved experiment.
    Saved(ExperimentName),
}

impl Given {
    /// Takes a name as it is, and reads and validates a file. Needs no AWS, so a mistake is found without it.
    ///
    /// # Errors
    /// Every mistake in the file, or why it cannot be read.
    pub fn read(text: &str) -> Result<Given, Failure> {
        match saved_name(text) {
            Some(name) => Ok(Given::Saved(name)),
            None => Ok(Given::Written(Box::new(read_file(Path::new(text))?))),
        }
    }

    /// Whether it is a file.
    pub fn is_written(&self) -> bool {
        matches!(self, Given::Written(_))
    }

    /// The experiment, valid.
    ///
    /// # Errors
    /// For a saved one: every mistake of it; [`Code::ExperimentNotFound`] when none is saved under this name.
    pub async fn experiment(&self, library: &dyn Library) -> Result<Experiment, Failure> {
        match self {
            Given::Written(experiment) => Ok(experiment.as_ref().clone()),
            Given::Saved(name) => saved(name, library).await,
        }
    }
}

/// The name of a saved experiment; `None` for a file: there is one, or the text has a dot or a slash, as no name has.
fn saved_name(text: &str) -> Option<ExperimentName> {
    text.parse().ok().filter(|_| !Path::new(text).is_file())
}

async fn saved(name: &ExperimentName, library: &dyn Library) -> Result<Experiment, Failure> {
    let Some(value) = library.experiment(name).await? else {
        let message = format!("no experiment is saved as `{name}`, and there is no file of this name");
        let help = "save one with `inoculate save FILE`, or give the path of a file";
        return Err(Error::new(Code::ExperimentNotFound, message).help(help).into());
    };
    experiment_from_value(&value).map_err(|problems| {
        Failure::from(Checked {
            source: format!("saved experiment {name}"),
            text: String::new(),
            problems,
        })
    })
}

/// Reads and validates an experiment from a file.
///
/// # Errors
/// Every mistake in it, or why it cannot be read.
pub fn read_file(path: &Path) -> Result<Experiment, Failure> {
    let text = read_text(path)?;
    experiment_from_text(&text).map_err(|problems| {
        Failure::from(Checked {
            source: path.display().to_string(),
            text,
            problems,
        })
    })
}

/// The line of each measure of an experiment in its file; nothing where the file cannot be read any more.
pub fn lines_of_measures(path: &Path) -> Vec<(MeasureName, usize)> {
    let text = read_text(path).unwrap_or_default();
    let places = places_of_measures(&text).into_iter();
    places.map(|(measure, place)| (measure, place.line)).collect()
}

/// The text of a file of at most [`MAX_EXPERIMENT_BYTES`]. Never reads more than that.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let invalid =
        |what: &str, help: &str| Error::new(Code::InvalidExperiment, format!("{}: {what}", path.display())).help(help);
    let bytes = read_bytes(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => invalid("there is no such file", "check the path"),
        ErrorKind::IsADirectory => invalid("this is a directory", "name the files in it"),
        ErrorKind::PermissionDenied => invalid("the file may not be read", "check its permissions"),
        _ => invalid(&format!("the file cannot be read: {error}"), "check the path"),
    })?;
    if bytes.len() > MAX_EXPERIMENT_BYTES {
        let what = format!("the file has more than {MAX_EXPERIMENT_BYTES} bytes");
        let help = "that is as much as Step Functions accepts; split it into several experiments";
        return Err(invalid(&what, help));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let what = format!("the file is not text: byte {at} is not UTF-8");
        invalid(&what, "save it as UTF-8")
    })?;
    if text.trim().is_empty() {
        let help = "`inoculate schema` shows what an experiment consists of";
        return Err(invalid("the file is empty", help));
    }
    Ok(text)
}

fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_EXPERIMENT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &Path) -> String {
        let Err(Failure::Error(error)) = read_file(path) else {
            panic!("not an error")
        };
        assert_eq!(error.code, Code::InvalidExperiment);
        assert!(error.help.is_some());
        error.message.replace(&format!("{}: ", path.display()), "")
    }

    #[test]
    fn a_file_that_cannot_be_an_experiment_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        assert_eq!(message(&file("empty", b" \n")), "the file is empty");
        assert_eq!(
            message(&file("latin1", b"name: caf\xe9")),
            "the file is not text: byte 9 is not UTF-8"
        );
        assert_eq!(
            message(&file("large", &vec![b'#'; MAX_EXPERIMENT_BYTES + 1])),
            "the file has more than 262144 bytes"
        );
        assert_eq!(message(folder.path()), "this is a directory");
        assert_eq!(message(&folder.path().join("none")), "there is no such file");
    }

    #[test]
    fn a_name_is_a_name_and_everything_else_is_a_file() {
        assert_eq!(saved_name("throttle"), Some("throttle".parse().unwrap()));
        for text in ["throttle.yaml", "./throttle", "a/b", ""] {
            assert_eq!(saved_name(text), None, "{text:?}");
        }
    }
}
