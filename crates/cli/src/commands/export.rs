//! `inoculate export`

use std::path::PathBuf;

use inoculate_core::error::{Code, Error};
use inoculate_core::names::RunId;
use serde_json::json;

use super::Context;
use super::import::write_new;
use crate::chaostoolkit::journal;
use crate::exit::Exit;
use crate::failure::Failure;
use inoculate_core::details::RunDetails;

/// Writes a run as a journal of Chaos Toolkit, to a file or to stdout.
pub(super) async fn chaostoolkit(context: &Context<'_>, run: &RunId, out: Option<&PathBuf>) -> Result<Exit, Failure> {
    let details = RunDetails::load(&context.aws.ports, run).await?;
    let Some(journal) = journal(&details) else {
        let help = format!(
            "wait until it is closed; `{}` shows how it stands",
            context.global.command("show", run)
        );
        return Err(Error::new(Code::Conflict, format!("run `{run}` is not over"))
            .help(help)
            .into());
    };
    let output = context.output;
    match out {
        None => output.result(&journal, |_| format!("{journal:#}")),
        Some(path) => {
            write_new(path, &format!("{journal:#}\n"))?;
            output.result(&json!({ "run_id": run, "file": path }), |_| {
                format!("wrote {}", path.display())
            });
        }
    }
    Ok(Exit::Upheld)
}
