//! `inoculate save`

use std::path::Path;

use serde_json::json;

use crate::args::Global;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::read_file;
use crate::output::Output;

/// Saves an experiment under its name. Read before connecting: a mistake in the file needs no AWS to be found.
pub(super) async fn save(file: &Path, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let experiment = read_file(file)?;
    let aws = Connection::open(global).await?;
    aws.ports.library.save_experiment(&experiment).await?;
    let name = &experiment.name;
    let saved = json!({ "saved": name, "digest": experiment.digest() });
    output.result(&saved, |_| {
        format!("saved {name}; start it with `inoculate run {name}`")
    });
    Ok(Exit::Upheld)
}
