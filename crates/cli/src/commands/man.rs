//! `inoculate man`

use std::path::Path;

use clap_mangen::Man;
use inoculate_core::error::Error;

use crate::exit::Exit;
use crate::help;
use crate::output::Output;
use crate::render::text::count;

/// Prints the manual page of the command, or writes it and those of its commands into a directory.
pub(super) fn man(out: Option<&Path>, output: &Output) -> Result<Exit, Error> {
    let command = help::command();
    let Some(out) = out else {
        let mut page = Vec::new();
        let written = Man::new(command).render(&mut page);
        written.map_err(|error| Error::internal(format!("the manual page cannot be made: {error}")))?;
        output.text(&String::from_utf8_lossy(&page));
        return Ok(Exit::Upheld);
    };
    let written = std::fs::create_dir_all(out).and_then(|()| clap_mangen::generate_to(command, out));
    written.map_err(|error| {
        Error::internal(format!(
            "{}: the manual pages cannot be written: {error}",
            out.display()
        ))
        .help("name a directory that you may write to")
    })?;
    let pages = std::fs::read_dir(out).map_or(0, Iterator::count);
    output.progress(&format!("{} in {}", count(pages, "manual page"), out.display()));
    Ok(Exit::Upheld)
}
