//! The terminal that a person sits at, while a live view is on it: keys come one by one and are not shown.

use std::io::{self, IsTerminal, stderr, stdin};
use std::sync::Once;
use std::time::Duration;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read};
use crossterm::execute;
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use crate::render::live::Size;

/// As many columns and rows as a terminal has that does not say.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// A key that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A letter, in lower case.
    Letter(char),
    /// Ctrl-C, which does not end the process while keys come one by one.
    Interrupt,
    /// Any other.
    Other,
}

/// While this lives, keys come one by one; the terminal is as it was when it is gone, also after a panic.
#[derive(Debug)]
pub struct Raw(());

impl Raw {
    /// Changes the terminal.
    ///
    /// # Errors
    /// When there is none, or it cannot be changed; then it is as it was.
    pub fn enter() -> io::Result<Raw> {
        if !stdin().is_terminal() {
            return Err(io::Error::other("nobody can press a key"));
        }
        enable_raw_mode()?;
        let raw = Raw(());
        restore_before_panics();
        execute!(stderr(), Hide)?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Does nothing when there is nothing to restore.
fn restore() {
    // Nobody is left to tell when the terminal is gone.
    let _ = disable_raw_mode();
    let _ = execute!(stderr(), Show);
}

/// The message of a panic is written before anything is dropped, and should be readable.
fn restore_before_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            usual(panic);
        }));
    });
}

/// The size of the terminal now.
pub fn size() -> Size {
    match crossterm::terminal::size() {
        Ok((columns, rows)) if columns > 0 && rows > 0 => Size {
            columns: columns.into(),
            rows: rows.into(),
        },
        _ => USUAL,
    }
}

/// The end of a line: a terminal whose keys come one by one does not go back to the first column by itself.
pub fn line_end() -> &'static str {
    match crossterm::terminal::is_raw_mode_enabled() {
        Ok(true) => "\r\n",
        _ => "\n",
    }
}

/// The next key that was pressed, if one was. Does not wait.
///
/// # Errors
/// When the terminal cannot be read.
pub fn pressed() -> io::Result<Option<Key>> {
    while poll(Duration::ZERO)? {
        if let Event::Key(key) = read()?
            && key.kind == KeyEventKind::Press
        {
            let control = key.modifiers.contains(KeyModifiers::CONTROL);
            return Ok(Some(match key.code {
                KeyCode::Char('c') if control => Key::Interrupt,
                KeyCode::Char(letter) if !control => Key::Letter(letter.to_ascii_lowercase()),
                _ => Key::Other,
            }));
        }
    }
    Ok(None)
}
