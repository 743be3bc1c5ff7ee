//! Text to values, remembering where each stood.
//!
//! The events of the YAML parser are put together here, without recursion and with a limit on depth, so that no
//! text can exhaust the stack. What YAML offers beyond JSON is refused: it makes a file say more than one can see.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Number, Value};
use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::{Marker, ScanError, TScalarStyle};

use super::{MAX_DEPTH, Problem, child, too_deep};

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// A parsed text: the values, where each stood, and what was wrong with the writing of them.
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) problems: Vec<Problem>,
    keys: HashMap<String, Place>,
    values: HashMap<String, Place>,
}

impl Document {
    /// Reads YAML 1.2, of which JSON is a part.
    ///
    /// # Errors
    /// What was found up to the place where the text cannot be read any further.
    pub(super) fn parse(text: &str) -> Result<Document, Vec<Problem>> {
        let text = with_single_escapes(text.strip_prefix('\u{feff}').unwrap_or(text));
        let mut parser = Parser::new_from_str(&text);
        let mut reader = Reader::default();
        while reader.more {
            let read = match parser.next_token() {
                Ok((event, mark)) => reader.take(event, place_of(mark)),
                Err(error) => Err(scan_problem(&error, &text)),
            };
            if let Err(problem) = read {
                reader.problems.push(problem);
                return Err(reader.problems);
            }
        }
        Ok(Document {
            value: reader.root.unwrap_or_default(),
            problems: reader.problems,
            keys: reader.keys,
            values: reader.values,
        })
    }

    /// Where a problem stands; for something that is missing, where it should have been.
    pub(super) fn place_of(&self, problem: &Problem) -> Option<Place> {
        if problem.about_key
            && let Some(place) = self.keys.get(&problem.pointer)
        {
            return Some(*place);
        }
        let mut pointer = problem.pointer.as_str();
        loop {
            if let Some(place) = self.values.get(pointer) {
                return Some(*place);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }
}

/// A list or a group of fields whose end has not been read yet.
enum Open {
    List(Vec<Value>),
    Fields {
        fields: Map<String, Value>,
        key: Option<String>,
    },
}

/// Puts the events of the parser together.
struct Reader {
    more: bool,
    root: Option<Value>,
    /// What is open, outermost first, each with its pointer.
    open: Vec<(String, Open)>,
    keys: HashMap<String, Place>,
    values: HashMap<String, Place>,
    problems: Vec<Problem>,
}

impl Default for Reader {
    fn default() -> Self {
        Reader {
            more: true,
            root: None,
            open: Vec::new(),
            keys: HashMap::new(),
            values: HashMap::new(),
            problems: Vec::new(),
        }
    }
}

impl Reader {
    fn take(&mut self, event: Event, place: Place) -> Result<(), Problem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => Ok(()),
            Event::StreamEnd => self.end(place),
            Event::DocumentStart => self.start(place),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), place);
                self.scalar(text, style, place)
            }
            Event::Alias(_) => Err(anchors(self.next_pointer()).placed(place)),
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), place);
                self.begin(Open::List(Vec::new()), place)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(anchor, tag.is_some(), place);
                let fields = Map::new();
                self.begin(Open::Fields { fields, key: None }, place)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                match self.open.pop() {
                    Some((_, Open::List(items))) => self.add(Value::Array(items)),
                    Some((_, Open::Fields { fields, .. })) => self.add(Value::Object(fields)),
                    None => {}
                }
                Ok(())
            }
        }
    }

    /// The start of a document: there may be one.
    fn start(&self, place: Place) -> Result<(), Problem> {
        match self.root {
            None => Ok(()),
            Some(_) => {
                let problem = Problem::at("", "a second document begins here");
                Err(problem.help("one file holds one experiment").placed(place))
            }
        }
    }

    fn end(&mut self, place: Place) -> Result<(), Problem> {
        self.more = false;
        let message = match &self.root {
            Some(Value::Object(_)) => return Ok(()),
            None | Some(Value::Null) => "the file is empty",
            Some(_) => "this is not an experiment",
        };
        let place = self.values.get("").copied().unwrap_or(place);
        let help = "an experiment is a group of fields that starts with `name:`";
        Err(Problem::at("", message).help(help).placed(place))
    }

    fn refuse_extras(&mut self, anchor: usize, tag: bool, place: Place) {
        if anchor > 0 {
            let pointer = self.next_pointer();
            self.problems.push(anchors(pointer).placed(place));
        }
        if tag {
            let problem = Problem::at(self.next_pointer(), "tags (`!x`) are not allowed");
            self.problems.push(problem.help("leave the tag out").placed(place));
        }
    }

    fn begin(&mut self, open: Open, place: Place) -> Result<(), Problem> {
        if self.expects_key() {
            let problem = Problem::at(self.next_pointer(), "a list or a group cannot be the name of a field");
            return Err(problem.help("write plain text before the colon").placed(place));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(self.next_pointer()).placed(place));
        }
        let pointer = self.next_pointer();
        // A group or list in a field is pointed at where its name stands.
        let place = self.keys.get(&pointer).copied().unwrap_or(place);
        self.values.entry(pointer.clone()).or_insert(place);
        self.open.push((pointer, open));
        Ok(())
    }

    fn scalar(&mut self, text: String, style: TScalarStyle, place: Place) -> Result<(), Problem> {
        if self.expects_key() {
            self.key(text, place);
            return Ok(());
        }
        let pointer = self.next_pointer();
        let value = match style {
            TScalarStyle::Plain => plain_value(text),
            _ => Value::String(text),
        };
        // The parser places a value that was left out where the next thing stands.
        let key = self.keys.get(&pointer).copied();
        let place = if value.is_null() { key.unwrap_or(place) } else { place };
        self.values.entry(pointer).or_insert(place);
        self.add(value);
        Ok(())
    }

    fn key(&mut self, text: String, place: Place) {
        if let Some((pointer, Open::Fields { fields, key })) = self.open.last_mut() {
            let at = child(pointer, &text);
            if fields.is_empty() {
                // The parser places a group at the first colon in it.
                let start = self.values.entry(pointer.clone()).or_insert(place);
                *start = place.min(*start);
            }
            if fields.contains_key(&text) {
                let problem = Problem::at(at, format!("`{text}` is written twice"));
                self.problems.push(problem.help("keep one of the two").placed(place));
            } else {
                self.keys.insert(at, place);
            }
            *key = Some(text);
        }
    }

    /// Puts a complete value where it belongs. Of two fields with the same name the first stays.
    fn add(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some((_, Open::List(items))) => items.push(value),
            Some((_, Open::Fields { fields, key })) => {
                if let Some(key) = key.take() {
                    fields.entry(key).or_insert(value);
                }
            }
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some((_, Open::Fields { key: None, .. })))
    }

    /// The pointer of what is read next.
    fn next_pointer(&self) -> String {
        match self.open.last() {
            None => String::new(),
            Some((pointer, Open::List(items))) => child(pointer, items.len()),
            Some((pointer, Open::Fields { key, .. })) => match key {
                Some(key) => child(pointer, key),
                None => pointer.clone(),
            },
        }
    }
}

fn place_of(mark: Marker) -> Place {
    Place {
        line: mark.line(),
        column: mark.col() + 1,
    }
}

/// JSON writes a character beyond U+FFFF as two escapes (`\ud83d\udc89`); YAML does not know that.
fn with_single_escapes(text: &str) -> Cow<'_, str> {
    let pair = |at: usize| {
        let code = |from: usize| {
            let escape = text.get(from..from + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(escape, 16).ok()
        };
        char::decode_utf16([code(at)?, code(at + 6)?])
            .next()?
            .ok()
            .filter(|letter| letter.len_utf16() == 2)
    };
    if !text.trim_start().starts_with('{') {
        return Cow::Borrowed(text);
    }
    let mut result = String::new();
    let mut rest = 0;
    for (at, _) in text.match_indices("\\u") {
        if let Some(letter) = pair(at) {
            result.push_str(&text[rest..at]);
            result.push(letter);
            rest = at + 12;
        }
    }
    result.push_str(&text[rest..]);
    Cow::Owned(result)
}

/// A plain scalar by the core schema of YAML 1.2; a quoted one is always text.
fn plain_value(text: String) -> Value {
    match text.as_str() {
        "" | "null" | "Null" | "NULL" | "~" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if is_number {
        if let Ok(number) = text.parse::<i64>() {
            return Value::Number(number.into());
        }
        if let Some(number) = text.parse::<f64>().ok().and_then(Number::from_f64) {
            return Value::Number(number);
        }
    }
    Value::String(text)
}

fn anchors(pointer: impl Into<String>) -> Problem {
    Problem::at(pointer, "anchors and aliases (`&x`, `*x`) are not allowed")
        .help("write the value out; text that begins with `&` or `*` needs quotes")
}

fn scan_problem(error: &ScanError, text: &str) -> Problem {
    let place = place_of(*error.marker());
    if error.info().contains("unknown anchor") {
        return anchors("").placed(place);
    }
    let line = text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
    let help = if line.trim_start_matches(' ').starts_with('\t') {
        "indent with spaces, not with tabs"
    } else {
        "check the indentation, the colons and the quotes here and in the line above"
    };
    Problem::at("", format!("this cannot be read as YAML or JSON: {}", error.info()))
        .help(help)
        .placed(place)
}
