//! `inoculate schema`

use inoculate_core::experiment::Experiment;

use crate::exit::Exit;
use crate::output::Output;

/// Prints the JSON Schema of experiments. It is JSON with and without `--json`.
pub(super) fn schema(output: &Output) -> Exit {
    let schema = Experiment::json_schema();
    output.result(&schema, |_| format!("{schema:#}"));
    Exit::Upheld
}
