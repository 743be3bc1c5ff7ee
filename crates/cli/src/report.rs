//! Reports of runs as files.

use std::path::{Path, PathBuf};

use inoculate_core::details::RunDetails;
use inoculate_core::error::Error;
use inoculate_core::names::RunId;
use inoculate_report::{Format, render};
use jiff::Timestamp;

/// How the name of a report of this format ends.
pub fn extension(format: Format) -> &'static str {
    match format {
        Format::Html => "html",
        Format::Markdown => "md",
    }
}

/// The format that the name of a file asks for: Markdown if it ends with `.md` or `.markdown`, else HTML.
pub fn format_of(path: &Path) -> Format {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("md" | "markdown") => Format::Markdown,
        _ => Format::Html,
    }
}

/// Where the report of a run goes when nobody says: into the current folder.
pub fn default_path(run: &RunId, format: Format) -> PathBuf {
    PathBuf::from(format!("{run}.{}", extension(format)))
}

/// Writes the report of a run. A file that is there is replaced. `now` counts for a run that is not over.
///
/// # Errors
/// When the file cannot be written.
pub fn write(details: &RunDetails, now: Timestamp, format: Format, path: &Path) -> Result<(), Error> {
    std::fs::write(path, render(details, now, format)).map_err(|error| {
        let message = format!("the report {} cannot be written: {error}", path.display());
        Error::internal(message).help("name a file in a directory that is there and that you may write to")
    })
}
