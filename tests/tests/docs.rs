//! The documents say what is so: their links lead somewhere, their examples are read, every kind of fault has its place.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use inoculate_stack::workspace_root;
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
