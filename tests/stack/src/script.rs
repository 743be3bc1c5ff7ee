//! Python scripts that are kept running, to call their functions one after the other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Error, crate_dir};

/// Scripts by their text, each in a process of its own that ends with this value.
#[derive(Debug, Default)]
pub(crate) struct Scripts(BTreeMap<&'static str, Script>);

impl Scripts {
    /// The script with this text; `python` starts Python for it on first use.
    pub(crate) fn of(&mut self, text: &'static str, python: impl FnOnce() -> Command) -> Result<&mut Script, Error> {
        Ok(match self.0.entry(text) {
            Entry::Occupied(script) => script.into_mut(),
            Entry::Vacant(place) => place.insert(Script::start(python(), text)?),
        })
    }
}

/// A script in a process.
#[derive(Debug)]
pub(crate) struct Script {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What `answer.py` says.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Answer(Value),
    Error(String),
}

impl Script {
    fn start(mut python: Command, text: &str) -> Result<Self, Error> {
        let program = python.get_program().to_string_lossy().into_owned();
        let failed = |source| Error::Start { program, source };
        python.arg(crate_dir().join("answer.py")).arg(text);
        let spawned = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let started = spawned.and_then(|mut process| {
            let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
            let questions = process.stdin.take().ok_or_else(missing)?;
            let answers = BufReader::new(process.stdout.take().ok_or_else(missing)?);
            Ok(Self {
                process,
                questions,
                answers,
            })
        });
        started.map_err(failed)
    }

    /// Calls one of its functions with these arguments by name.
    pub(crate) fn call(&mut self, function: &str, arguments: &Value) -> Result<Value, Error> {
        let what = format!("{function} of a Python script");
        let question = json!({ "action": function, "arguments": arguments });
        let mut line = String::new();
        let asked = writeln!(self.questions, "{question}").and_then(|()| self.questions.flush());
        let heard = asked.and_then(|()| self.answers.read_line(&mut line));
        if !heard.is_ok_and(|length| length > 0) {
            return Err(Error::Command {
                what,
                status: "it ended before it answered".to_owned(),
                output: line,
            });
        }
        match serde_json::from_str(&line) {
            Ok(Said::Answer(answer)) => Ok(answer),
            Ok(Said::Error(output)) => Err(Error::Command {
                what,
                status: "it raised an exception".to_owned(),
                output,
            }),
            Err(source) => Err(Error::Output {
                what,
                output: line,
                source,
            }),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
