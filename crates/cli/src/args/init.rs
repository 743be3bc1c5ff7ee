//! Options of `inoculate init`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;
use inoculate_core::names::FunctionName;

use super::named;
use crate::templates::{TEMPLATES, Template};

/// What `init` makes.
#[derive(Debug, Args)]
pub struct Init {
    /// The weakness to look for
    #[arg(long, value_name = "NAME", value_parser = template())]
    pub template: Option<&'static Template>,

    /// The function whose callers are looked at [default: that of the sample shop]
    #[arg(long, value_name = "FUNCTION", requires = "template")]
    pub function: Option<FunctionName>,

    /// The function that it calls, if the template is about one
    #[arg(long, value_name = "FUNCTION", requires = "template")]
    pub dependency: Option<FunctionName>,

    /// The DynamoDB table that it writes to, if the template is about one
    #[arg(long, value_name = "TABLE", requires = "template")]
    pub table: Option<String>,

    /// The field of the event that requests are told apart by, like /order/id
    #[arg(long, value_name = "POINTER", requires = "template")]
    pub key: Option<String>,

    /// AWS region; here the one whose calls go wrong, if the template is about one [default: that of the sample shop]
    // In the place of the option of every command, to say so. As that one, it may stand before the command, too.
    #[arg(long)]
    pub region: Option<String>,

    /// Overwrite the file
    #[arg(long, requires = "template")]
    pub force: bool,

    /// Where to write it [default: the name of the experiment, and .yaml]
    #[arg(value_name = "FILE", requires = "template")]
    pub file: Option<PathBuf>,
}

/// Every template by its name.
fn template() -> impl TypedValueParser<Value = &'static Template> {
    named(TEMPLATES.iter().map(|template| (template.name, template)))
}
