//! Every command line in the README and in the docs is one that the command takes, and every recipe is what it says it is.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use inoculate_cli::help;
use yaml_rust2::{Yaml, YamlLoader};

/// A piece of a page, and where it is.
struct Piece {
    place: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The README and every page of the docs, with its path.
fn pages() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root().join("docs")).unwrap();
    let docs = entries.map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut paths: Vec<PathBuf> = docs.chain([root().join("README.md")]).collect();
    paths.sort();
    let page = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(page).collect()
}

/// The lines of blocks of code, and the pieces of code in a line of text.
fn code(name: &str, text: &str) -> (Vec<Piece>, Vec<Piece>) {
    let (mut lines, mut inline) = (Vec::new(), Vec::new());
    let mut in_block = false;
    for (number, line) in text.lines().enumerate() {
        let piece = |text: &str| Piece {
            place: format!("{name}:{}", number + 1),
            text: text.to_owned(),
        };
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            lines.push(piece(line));
        } else {
            inline.extend(line.split('`').skip(1).step_by(2).map(piece));
        }
    }
    (lines, inline)
}

/// The words of a command line, up to a pipe, a redirection or another command.
fn words(line: &str) -> Vec<String> {
    let words = shlex::split(line).unwrap_or_else(|| panic!("open quotes: {line}"));
    let ends = |word: &String| ["|", "||", "&&", ">", ">>", ";"].contains(&word.as_str()) || word.starts_with('#');
    let words = words.into_iter().take_while(|word| !ends(word));
    // Three dots say that there may be more of the kind.
    words.map(|word| word.trim_end_matches("...").to_owned()).collect()
}

/// A line of a console or of a block of commands.
fn command_line(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = line.strip_prefix("$ ").unwrap_or(line);
    line.starts_with("inoculate ").then_some(line)
}

fn kind(line: &str) -> Option<ErrorKind> {
    help::parse(words(line)).err().map(|error| error.kind())
}

#[test]
fn every_command_line_is_one_that_the_command_takes() {
    let mut found = 0;
    for (name, text) in pages() {
        let (lines, inline) = code(&name, &text);
        for Piece { place, text } in &lines {
            if let Some(line) = command_line(text) {
                assert_eq!(kind(line), None, "{place}: {line}");
                found += 1;
            }
        }
        for Piece { place, text } in &inline {
            // In a sentence, what follows the command may be left out.
            let whole = [
                None,
                Some(ErrorKind::MissingRequiredArgument),
                Some(ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            ];
            if let Some(line) = command_line(text) {
                assert!(whole.contains(&kind(line)), "{place}: {line}: {:?}", kind(line));
                found += 1;
            }
        }
    }
    assert!(found > 60, "only {found} command lines were found");
}

#[test]
fn a_line_that_is_wrong_is_found() {
    for (line, expected) in [
        ("inoculate run a.yaml --jnuit x", ErrorKind::UnknownArgument),
        ("inoculate wach r", ErrorKind::InvalidSubcommand),
        ("inoculate list --status gone", ErrorKind::InvalidValue),
        ("inoculate abort", ErrorKind::MissingRequiredArgument),
    ] {
        assert_eq!(kind(line), Some(expected), "{line}");
    }
}

#[test]
fn every_command_has_a_section_in_the_docs() {
    let page = std::fs::read_to_string(root().join("docs/cli.md")).unwrap();
    for command in help::command().get_subcommands() {
        let name = command.get_name();
        assert!(
            page.contains(&format!("\n## {name}\n")),
            "docs/cli.md has no section {name}"
        );
        assert!(
            page.contains(&format!("](#{name}) |")),
            "docs/cli.md does not list {name}"
        );
    }
}

#[test]
fn it_is_said_what_every_command_may_do() {
    let page = std::fs::read_to_string(root().join("docs/deploy.md")).unwrap();
    let (_, section) = page
        .split_once("\n## What a person needs to use the command\n")
        .unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    for command in help::command().get_subcommands() {
        let name = format!("`{}`", command.get_name());
        assert!(section.contains(&name), "docs/deploy.md says nothing of {name}");
    }
}

/// The recipes of `docs/ci.md`, by the section that each is in.
fn recipes() -> Vec<(String, Yaml)> {
    let page = std::fs::read_to_string(root().join("docs/ci.md")).unwrap();
    let mut recipes = Vec::new();
    for section in page.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap().to_owned();
        for block in section.split("```yaml\n").skip(1) {
            let (block, _) = block.split_once("```").unwrap();
            let mut documents = YamlLoader::load_from_str(block).unwrap_or_else(|error| panic!("{title}: {error}"));
            assert_eq!(documents.len(), 1, "{title}");
            recipes.push((title.clone(), documents.remove(0)));
        }
    }
    recipes
}

/// Every text in a document.
fn texts(value: &Yaml) -> Vec<String> {
    match value {
        Yaml::String(text) => vec![text.clone()],
        Yaml::Array(items) => items.iter().flat_map(texts).collect(),
        Yaml::Hash(fields) => fields.values().flat_map(texts).collect(),
        _ => vec![],
    }
}

#[test]
fn the_recipes_are_yaml_and_their_commands_are_right() {
    let recipes = recipes();
    let titles: Vec<&str> = recipes.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(titles, ["GitHub Actions", "GitLab", "CodePipeline"]);
    for (title, recipe) in &recipes {
        let texts = texts(recipe);
        let lines: Vec<&str> = texts
            .iter()
            .flat_map(|text| text.lines())
            .filter_map(command_line)
            .collect();
        assert!(lines.len() >= 2, "{title}: {lines:?}");
        assert!(lines.iter().any(|line| line.contains("--junit results.xml")), "{title}");
        for line in lines {
            // What a shell puts in the place of a variable is a part of a name.
            let line = line.replace("$CODEBUILD_BUILD_NUMBER", "7");
            assert_eq!(kind(&line), None, "{title}: {line}");
        }
    }
}

/// What each service asks of a file, as far as the recipes use it.
#[test]
fn the_recipes_have_what_their_services_ask_for() {
    let recipes = recipes();
    let github = &recipes[0].1;
    assert_eq!(github["permissions"]["id-token"].as_str(), Some("write"));
    let steps = github["jobs"]["experiments"]["steps"].as_vec().unwrap();
    for step in steps {
        let has = |key: &str| !step[key].is_badvalue();
        assert!(
            has("uses") != has("run"),
            "a step uses an action or runs a command: {step:?}"
        );
    }
    let gitlab = &recipes[1].1["resilience"];
    assert!(gitlab["script"].as_vec().is_some());
    assert_eq!(gitlab["artifacts"]["reports"]["junit"].as_str(), Some("results.xml"));
    assert_eq!(gitlab["allow_failure"]["exit_codes"].as_i64(), Some(3));
    let codebuild = &recipes[2].1;
    assert_eq!(codebuild["version"].as_f64(), Some(0.2));
    for phase in ["install", "pre_build", "build", "post_build"] {
        assert!(codebuild["phases"][phase]["commands"].as_vec().is_some(), "{phase}");
    }
    let report = &codebuild["reports"]["resilience"];
    assert_eq!(report["file-format"].as_str(), Some("JUNITXML"));
}

/// Editors find the schema by the first line.
#[test]
fn every_example_names_the_schema_in_its_first_line() {
    let folder = root().join("examples/experiments");
    let mut found = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap();
        let schema = first.strip_prefix("# yaml-language-server: $schema=");
        let schema = schema.unwrap_or_else(|| panic!("{}: {first}", path.display()));
        assert!(
            folder.join(schema).is_file(),
            "{}: there is no {schema}",
            path.display()
        );
        found += 1;
    }
    assert!(found > 10, "only {found} examples were found");
}
