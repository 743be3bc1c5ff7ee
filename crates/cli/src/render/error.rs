//! One error: what failed and where, what to do, and its stable code.

use inoculate_core::error::Error;

use super::style::Style;
use super::text::wrap;

/// An error as people read it.
pub fn text(error: &Error, style: Style) -> String {
    let label = format!("error[{}]: ", error.code);
    // Wrapped as plain text first: colour has no width.
    let message = wrap("", &format!("{label}{}", error.message));
    let message = message.replacen(label.trim_end(), &style.bad(label.trim_end()), 1);
    match &error.help {
        Some(help) => format!("{message}\n{}", wrap("  help: ", help)),
        None => message,
    }
}
