//! `inoculate report`

use std::path::Path;

use inoculate_core::details::RunDetails;
use inoculate_core::names::RunId;
use inoculate_report::Format;
use serde_json::json;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::report::{default_path, format_of, write};

/// Writes the report of a run, and says where it is.
pub(super) async fn report(
    context: &Context<'_>,
    run: &RunId,
    out: Option<&Path>,
    format: Option<Format>,
) -> Result<Exit, Failure> {
    let details = RunDetails::load(&context.aws.ports, run).await?;
    let format = format.or(out.map(format_of)).unwrap_or(Format::Html);
    let path = out.map_or_else(|| default_path(run, format), Path::to_owned);
    write(&details, context.aws.ports.clock.now(), format, &path)?;
    let path = path.display().to_string();
    let answer = json!({ "run_id": run, "report": path });
    context.output.result(&answer, |_| format!("the report is in {path}"));
    Ok(Exit::Upheld)
}
