//! The commands that the documents tell people to type.

use std::fs;

use inoculate_stack::workspace_root;

/// The documents whose commands a test types, one after the other.
///
/// Those of `docs/getting-started.md` are typed in the shell of `cargo xtask local` (`tests/tests/shop/getting_started.rs`),
/// those of the others on a stack of their own (`tests/tests/machine/documents.rs`).
pub const TYPED: [&str; 8] = [
    "docs/getting-started.md",
    "docs/cli.md",
    "docs/chaos-toolkit.md",
    "docs/weaknesses.md",
    "docs/writing.md",
    "docs/deploy.md",
    "docs/events.md",
    "docs/operations.md",
];

/// What commands begin with that are not typed with their document, and why.
pub const APART: [(&str, &str); 10] = [
    ("cargo xtask demo", "tests/tests/shop/demo.rs types it"),
    ("cargo xtask local", "tests/tests/shop/getting_started.rs types it"),
    ("cargo xtask test", "it is what runs the tests"),
    ("cargo xtask package", "it takes longer than all tests together"),
    ("cargo xtask bench", "it takes longer than all tests together"),
    ("cargo build --release", "the tests use the build of this workspace"),
    (
        "cargo run --release -p shop",
        "the tests run the same program of this workspace",
    ),
    (
        "sam ",
        "the tests deploy the same templates with the same parameters, without its command",
    ),
    ("cd ", "`sam` follows it"),
    (
        "chaos ",
        "crates/cli/src/chaostoolkit/tests.rs makes the same report with its library",
    ),
];

/// A command in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The document and the line, counted from 1.
    pub place: String,
    /// What is typed, without its comment.
    pub typed: String,
    /// The exit code that the document says.
    pub exits_with: i32,
}

impl Command {
    /// Whether it is one of [`APART`].
    #[must_use]
    pub fn is_apart(&self) -> bool {
        APART.iter().any(|(begins, _)| self.typed.starts_with(begins))
    }
}

/// The text of a document, by its path from the root of the workspace.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn page(path: &str) -> String {
    fs::read_to_string(workspace_root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The commands in blocks of the language `console`: what begins with `$`, up to the end of the line, or further where the
/// line ends with a backslash. After `# exits with N` stands what the reader will see instead of 0.
///
/// # Panics
/// When a block ends in the middle of a command, or the code is no number.
#[must_use]
pub fn commands(path: &str, text: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut lines = lines_of(text, "console");
    while let Some((number, line)) = lines.next() {
        let Some(first) = line.strip_prefix("$ ") else { continue };
        let place = format!("{path}:{number}");
        let mut typed = first.to_owned();
        while let Some(begun) = typed.strip_suffix('\\') {
            let (_, more) = lines.next().unwrap_or_else(|| panic!("{place}: it goes on nowhere"));
            typed = format!("{}{}", begun, more.trim_start());
        }
        let (typed, comment) = typed.split_once(" #").unwrap_or((&typed, ""));
        let exits_with = comment.trim_start().strip_prefix("exits with ").map_or(0, |code| {
            let digits: String = code.chars().take_while(char::is_ascii_digit).collect();
            digits
                .parse()
                .unwrap_or_else(|_| panic!("{place}: {code:?} is no exit code"))
        });
        commands.push(Command {
            place,
            typed: typed.trim_end().to_owned(),
            exits_with,
        });
    }
    commands
}

/// The lines of blocks of code in this language, with their numbers, counted from 1.
pub fn lines_of<'a>(text: &'a str, language: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let mut inside = None;
    text.lines()
        .zip(1..)
        .filter_map(move |(line, number)| match line.trim_start().strip_prefix("```") {
            Some(named) => {
                inside = inside.is_none().then_some(named);
                None
            }
            None => (inside == Some(language)).then_some((number, line)),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_told_from_what_is_shown() {
        let text = "$ not this\n\n```console\n$ one --two \\\n    three   # a comment\nshown\n$ four # exits with 4: refused\n```\n\n```\n$ nor this\n```\n";
        let command = |place: &str, typed: &str, exits_with| Command {
            place: place.to_owned(),
            typed: typed.to_owned(),
            exits_with,
        };
        let expected = [command("a.md:4", "one --two three", 0), command("a.md:7", "four", 4)];
        assert_eq!(commands("a.md", text), expected);
    }
}
