//! What a command ends with when it cannot do what it was asked.

use inoculate_core::error::{Code, Error};

use crate::exit::Exit;
use crate::input::Checked;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// One thing went wrong.
    Error(Error),
    /// An experiment has mistakes, all of them named.
    Invalid(Box<Checked>),
}

impl Failure {
    /// What the process exits with.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Error(error) => Exit::of_code(error.code),
            Failure::Invalid(_) => Exit::of_code(Code::InvalidExperiment),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

impl From<Checked> for Failure {
    fn from(checked: Checked) -> Failure {
        Failure::Invalid(Box::new(checked))
    }
}
