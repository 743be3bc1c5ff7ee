//! The documents say what is so: their links lead somewhere, their examples are read, every kind of fault has its place.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use inoculate_stack::workspace_root;
use inoculate_tests::documents::{TYPED, commands, lines_of};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use serde_json::Value;

/// A Markdown file of this repository.
struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    /// All of them.
    fn all() -> Vec<Document> {
        let root = workspace_root();
        let mut paths = vec![root.join("README.md")];
        for folder in ["docs", "examples", "layer"] {
            find(&root.join(folder), &mut paths);
        }
        assert!(paths.len() > 20, "{paths:?}");
        let read = |path: PathBuf| Document {
            text: fs::read_to_string(&path).unwrap(),
            path,
        };
        paths.into_iter().map(read).collect()
    }

    /// Its path from the root of the workspace.
    fn name(&self) -> String {
        let path = self.path.strip_prefix(workspace_root()).unwrap();
        path.to_string_lossy().into_owned()
    }

    fn events(&self) -> impl Iterator<Item = Event<'_>> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES)
    }

    /// The destinations of its links and images.
    fn links(&self) -> Vec<String> {
        let link = |event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.into_string()),
            _ => None,
        };
        self.events().filter_map(link).collect()
    }

    /// What its headings are called in links, as GitHub makes it of their texts.
    fn anchors(&self) -> Vec<String> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let anchor = |heading: String| {
            let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
            let name: String = heading.to_lowercase().chars().filter(kept).collect();
            let name = name.replace(' ', "-");
            let before = seen.entry(name.clone()).or_default();
            *before += 1;
            if *before == 1 {
                name
            } else {
                format!("{name}-{}", *before - 1)
            }
        };
        self.texts(
            |tag| matches!(tag, Tag::Heading { .. }),
            |end| matches!(end, TagEnd::Heading(_)),
        )
        .into_iter()
        .map(anchor)
        .collect()
    }

    /// Its blocks of code in this language.
    fn code(&self, language: &str) -> Vec<String> {
        let begins = |tag: &Tag<'_>| matches!(tag, Tag::CodeBlock(CodeBlockKind::Fenced(info)) if **info == *language);
        self.texts(begins, |end| matches!(end, TagEnd::CodeBlock))
    }

    fn texts(&self, begins: impl Fn(&Tag<'_>) -> bool, ends: impl Fn(&TagEnd) -> bool) -> Vec<String> {
        let (mut texts, mut inside) = (Vec::new(), false);
        for event in self.events() {
            match event {
                Event::Start(tag) if begins(&tag) => {
                    inside = true;
                    texts.push(String::new());
                }
                Event::End(end) if ends(&end) => inside = false,
                Event::Text(text) | Event::Code(text) if inside => texts.last_mut().unwrap().push_str(&text),
                _ => {}
            }
        }
        texts
    }
}

fn find(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let documents = Document::all();
    let anchors: BTreeMap<&Path, Vec<String>> = documents
        .iter()
        .map(|document| (&*document.path, document.anchors()))
        .collect();
    let mut broken = Vec::new();
    let mut tried = 0;
    for document in &documents {
        for link in document.links() {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            tried += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => document.path.clone(),
                file => document
                    .path
                    .parent()
                    .unwrap()
                    .join(file)
                    .canonicalize()
                    .unwrap_or_default(),
            };
            let leads = target.exists()
                && (anchor.is_empty()
                    || anchors
                        .get(&*target)
                        .is_some_and(|known| known.iter().any(|name| name == anchor)));
            if !leads {
                broken.push(format!("{}: {link}", document.path.display()));
            }
        }
    }
    assert!(tried > 100, "{tried}");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_experiment_in_a_document_is_valid() {
    let mut tried = 0;
    for document in Document::all() {
        for block in document.code("yaml") {
            if !block.contains("hypothesis:") {
                continue;
            }
            tried += 1;
            let read = inoculate_core::read::experiment_from_text(&block);
            assert!(read.is_ok(), "{}: {:?}\n{block}", document.path.display(), read.err());
        }
    }
    assert!(tried >= 2, "{tried}");
}

#[test]
fn every_piece_of_json_in_a_document_is_json() {
    let mut tried = 0;
    for document in Document::all() {
        for block in document.code("json") {
            tried += 1;
            let read = serde_json::from_str::<Value>(&block);
            assert!(read.is_ok(), "{}: {:?}\n{block}", document.path.display(), read.err());
        }
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn every_kind_of_fault_is_explained() {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(workspace_root().join("docs/experiment.schema.json")).unwrap())
            .unwrap();
    let explained = fs::read_to_string(workspace_root().join("docs/faults.md")).unwrap();
    let mut kinds = Vec::new();
    for definition in ["Fault", "DependencyEffect"] {
        for kind in schema["$defs"][definition]["oneOf"].as_array().unwrap() {
            kinds.push(kind["properties"]["kind"]["const"].as_str().unwrap());
        }
    }
    assert!(kinds.len() > 20, "{kinds:?}");
    for kind in kinds {
        assert!(
            explained.contains(&format!("`{kind}`")),
            "docs/faults.md says nothing of `{kind}`"
        );
    }
}

#[test]
fn every_command_in_a_block_is_typed_by_a_test() {
    let mut found = 0;
    for document in Document::all() {
        let name = document.name();
        for command in commands(&name, &document.text) {
            found += 1;
            assert!(
                command.is_apart() || TYPED.contains(&&*name),
                "no test types this: {command:?}"
            );
        }
        for language in ["", "text", "sh", "bash", "json"] {
            for (number, line) in lines_of(&document.text, language) {
                let is_command = ["$ ", "inoculate ", "cargo ", "aws ", "sam "]
                    .iter()
                    .any(|begin| line.starts_with(begin));
                assert!(
                    !is_command,
                    "{name}:{number} is no block of the language `console`: {line}"
                );
            }
        }
    }
    assert!(found > 60, "{found}");
}

/// What a command line uses: the command and its options.
fn used(line: &str) -> Option<(String, BTreeSet<String>)> {
    let (_, line) = line.split_once("inoculate ")?;
    let mut words = line.split_whitespace();
    let mut command = words.next()?.to_owned();
    if ["schedule", "import"].contains(&&*command) {
        command = format!("{command} {}", words.next().unwrap_or_default());
    }
    let of_every_command = ["--json", "--stack", "--region", "--profile"];
    let options = words.map_while(|word| (!["|", "||", ">", ">>", "#"].contains(&word)).then_some(word));
    let options = options.filter(|word| word.starts_with("--") && !of_every_command.contains(word));
    let names = options.map(|option| option.split('=').next().unwrap_or(option).to_owned());
    Some((command, names.collect()))
}

/// In a sentence a command has names that stand for others, so it is not typed as it is.
#[test]
fn every_command_in_a_sentence_uses_what_a_test_types() {
    let documents = Document::all();
    let mut lines = Vec::new();
    for document in &documents {
        let name = document.name();
        lines.extend(commands(&name, &document.text).into_iter().map(|command| command.typed));
        if name == "docs/ci.md" {
            lines.extend(lines_of(&document.text, "yaml").map(|(_, line)| line.to_owned()));
        }
    }
    let mut typed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (command, options) in lines.iter().filter_map(|line| used(line)) {
        typed.entry(command).or_default().extend(options);
    }
    let mut found = 0;
    for document in &documents {
        let inline = document.events().filter_map(|event| match event {
            Event::Code(code) if code.starts_with("inoculate ") => Some(code.into_string()),
            _ => None,
        });
        for code in inline {
            let (command, options) = used(&code).unwrap();
            let known = typed.get(&command);
            let of_a_group = typed
                .keys()
                .any(|typed| typed.starts_with(&format!("{} ", command.trim_end())));
            let is_known = known.is_some_and(|known| options.is_subset(known)) || (of_a_group && options.is_empty());
            assert!(
                is_known,
                "{}: no test types `{code}`; of `{command}` it types {known:?}",
                document.name()
            );
            found += 1;
        }
    }
    assert!(found > 60, "{found}");
}
