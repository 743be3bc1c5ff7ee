//! `docs/events.md`: what people and programs are told, with an example of each kind.

use inoculate_core::notice::{Kind, Notice, SOURCE};
use serde_json::{Value, json};

use crate::notices::sample;

const HEAD: &str = r#"# Events

<!-- Written from crates/core/src/notice.rs by `UPDATE_SCHEMA=1 cargo test -p inoculate-core --test schema`. -->

So that a team is never surprised, Inoculate tells of every run: when it starts, before its faults, when it ends early, and
what came of it. Each notice goes out twice: as a message to the SNS topic in the output `NoticesTopicArn`, for people, and as
an EventBridge event with the source `inoculate` on the bus in the output `EventBusArn`, for programs. Neither waits for the
other, and no run waits for either: after three seconds Inoculate goes on. What ends a fault always comes first.
"#;

const REPEATS: &str = "
A run that is refused is told of once, when its record is closed, and so is a scheduled one. One that is refused after its
baseline was told of as started before. Harm, alarms, people, the kill switch, a stopped execution and a step that fails are
early ends; the end of `longest` is none, and neither is `stop_when: established`.

## Repeats and order

The same notice may come more than once: a step that is tried again tells again. `detail.id` is the same then, so drop what you
have seen. Of two notices of a run, the one with the higher `detail.run.journal` is the later one, whichever arrives first.
A notice can be lost, when neither SNS nor EventBridge answers or the function dies before it tells. The record of the run is
never lost: `inoculate list` and `inoculate show RUN`.

Every text in a notice is on one line and cut at 4,000 bytes, and an event is always smaller than the 256 KB that EventBridge
takes. Readers must accept new fields, new kinds and new words; `schema_version` rises when a field changes its meaning.

## An event

";

const RULES: &str = "
The JSON Schema of `detail` is [event.schema.json](event.schema.json).

## Rules

Everything that Inoculate tells:

";

const SUBSCRIBE: &str = r#"
## Subscribe

By e-mail: the parameter `NoticesEmail` of the template, or

```console
$ aws sns subscribe --protocol email --notification-endpoint team@example.com \
    --topic-arn arn:aws:sns:eu-west-1:123456789012:inoculate-notices
```

With a queue, for a program of your own:

```console
$ aws sqs create-queue --queue-name chaos
$ aws events put-rule --name chaos --event-pattern '{"source":["inoculate"]}'
$ aws events put-targets --rule chaos --targets Id=queue,Arn=arn:aws:sqs:eu-west-1:123456789012:chaos
$ aws sqs set-queue-attributes --attributes file://attributes.json \
    --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/chaos
```

`attributes.json` lets the rule write into the queue:

```json
{"Policy": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"sqs:SendMessage\",\"Principal\":{\"Service\":\"events.amazonaws.com\"},\"Resource\":\"arn:aws:sqs:eu-west-1:123456789012:chaos\",\"Condition\":{\"ArnEquals\":{\"aws:SourceArn\":\"arn:aws:events:eu-west-1:123456789012:rule/chaos\"}}}]}"}
```

In Slack or Teams, with Amazon Q Developer in chat applications (AWS Chatbot before). It shows no plain messages, only those of
[a form of its own](https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html), so subscribe it to a topic of yours
and let a rule put the events into that form:

```console
$ aws events put-rule --name chaos-chat --event-pattern '{"source":["inoculate"]}'
$ aws events put-targets --rule chaos-chat --targets file://targets.json
```

with `targets.json`

```json
"#;

const BUSES: &str = "
```

The topic needs a policy that lets `events.amazonaws.com` publish to it.

`inoculate halt` and `inoculate resume` tell with the permissions of the person who types them (`sns:Publish` on the notices topic,
`events:PutEvents` on the bus), last of all; without them they do their work and say that nobody was told. They use the bus
`default`, whatever the parameter `EventBus` says.

## Every kind

`run` has all the fields that are in the example above.

";

/// Patterns for rules, with what they are for.
const PATTERNS: [(&str, &str); 4] = [
    ("", r#"{"source": ["inoculate"]}"#),
    (
        "What a person should see to at once:",
        r#"{"source": ["inoculate"], "detail-type": ["Inoculate Rollback Failed"]}"#,
    ),
    (
        "Faults that are about to be injected in production:",
        r#"{"source": ["inoculate"], "detail-type": ["Inoculate Injection Beginning"], "detail": {"run": {"environment": [{"equals-ignore-case": "production"}]}}}"#,
    ),
    (
        "What one function's team wants to know: runs on it that did not hold.",
        r#"{"source": ["inoculate"], "detail": {"run": {"functions": ["shop-payments"]}, "result": {"verdict": ["deviated"]}}}"#,
    ),
];

/// A notice as EventBridge delivers it to a target.
fn delivered(notice: &Notice) -> Value {
    json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": notice.detail_type(),
        "source": SOURCE,
        "account": "123456789012",
        "time": notice.at,
        "region": "eu-west-1",
        "resources": notice.resources,
        "detail": detail(notice),
    })
}

fn detail(notice: &Notice) -> Value {
    serde_json::from_str(&notice.detail()).unwrap()
}

fn block(language: &str, text: &str) -> String {
    format!("```{language}\n{}\n```\n", text.trim_end())
}

fn pretty(value: &Value) -> String {
    block("json", &serde_json::to_string_pretty(value).unwrap())
}

/// The whole page.
pub(crate) fn page(schema: &Value) -> String {
    let mut page = HEAD.to_owned();
    page += "\n## What is told\n\n| `detail-type` | `detail.kind` | |\n|---|---|---|\n";
    for kind in Kind::ALL {
        let means = described(schema, "/$defs/Kind", kind.name());
        page += &format!("| {} | `{}` | {means} |\n", kind.detail_type(), kind.name());
    }
    page += REPEATS;
    page += &pretty(&delivered(&sample(Kind::InjectionBeginning)));
    page += RULES;
    for (what, pattern) in PATTERNS {
        let what = if what.is_empty() {
            String::new()
        } else {
            format!("\n{what}\n\n")
        };
        page += &format!("{what}{}", block("json", pattern));
    }
    page += SUBSCRIBE;
    page += &serde_json::to_string_pretty(&chat()).unwrap();
    page += BUSES;
    let kinds = Kind::ALL.map(|kind| example(schema, kind));
    page += kinds.join("\n").trim_end();
    page += "\n\n## Fields of `detail`\n\n";
    page += &fields(schema, schema);
    for (field, name) in [
        ("run", "About"),
        ("ending", "Ending"),
        ("result", "Outcome"),
        ("failure", "Failure"),
        ("halt", "Halt"),
    ] {
        page += &format!("\n### `{field}`\n\n{}", fields(schema, &schema["$defs"][name]));
    }
    for (field, name) in [
        ("ending.cause", "Cause"),
        ("result.grounds", "Grounds"),
        ("status", "Status"),
        ("verdict", "Verdict"),
    ] {
        page += &format!("\n### The words of `{field}`\n\n{}", words(&schema["$defs"][name]));
    }
    page
}

/// The target of a rule that tells a chat client.
fn chat() -> Value {
    let message = json!({
        "version": "1.0", "source": "custom",
        "content": { "title": "<what> <experiment>", "description": "<run> <why> <because>" },
    });
    json!([{
        "Id": "chat",
        "Arn": "arn:aws:sns:eu-west-1:123456789012:chat",
        "InputTransformer": {
            "InputPathsMap": {
                "what": "$.detail-type",
                "experiment": "$.detail.run.experiment",
                "run": "$.detail.run.id",
                "why": "$.detail.ending.detail",
                "because": "$.detail.result.because",
            },
            "InputTemplate": message.to_string(),
        },
    }])
}

fn example(schema: &Value, kind: Kind) -> String {
    let notice = sample(kind);
    let means = described(schema, "/$defs/Kind", kind.name());
    let message = format!("{}\n\n{}", notice.subject(), notice.body());
    let detail = shortened(detail(&notice));
    format!(
        "### {}\n\n{means}\n\n{}\n{}",
        kind.detail_type(),
        block("text", &message),
        pretty(&detail)
    )
}

/// Without what is the same in every notice of the run.
fn shortened(mut detail: Value) -> Value {
    if let Some(run) = detail["run"].as_object_mut() {
        run.retain(|field, _| ["id", "journal", "experiment", "faults_from", "faults_until"].contains(&field.as_str()));
    }
    detail
}

/// What a word of a list of words means.
fn described(schema: &Value, pointer: &str, word: &str) -> String {
    let words = schema.pointer(pointer).unwrap()["oneOf"].as_array().unwrap();
    let found = words.iter().find(|choice| choice["const"] == word).unwrap();
    found["description"].as_str().unwrap().to_owned()
}

fn words(group: &Value) -> String {
    let words = group["oneOf"].as_array().unwrap().iter();
    let rows = words.map(|word| {
        format!(
            "| `{}` | {} |\n",
            word["const"].as_str().unwrap(),
            word["description"].as_str().unwrap()
        )
    });
    format!("| | |\n|---|---|\n{}", rows.collect::<String>())
}

fn fields(schema: &Value, group: &Value) -> String {
    let required = group["required"].as_array().unwrap();
    let rows = group["properties"].as_object().unwrap().iter().map(|(name, field)| {
        let always = if required.contains(&json!(name)) { "yes" } else { "" };
        let own = field["description"].as_str();
        let of_type = || {
            let group = field["$ref"].as_str().unwrap().trim_start_matches('#');
            schema.pointer(group).unwrap()["description"].as_str().unwrap()
        };
        format!("| `{name}` | {always} | {} |\n", own.unwrap_or_else(of_type))
    });
    format!("| field | always | |\n|---|---|---|\n{}", rows.collect::<String>())
}

/// Whether EventBridge would match, as far as the patterns here go: every field of the pattern is in the event, with one of the
/// values; a list in the event matches by any of its values.
fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields.iter().all(|(name, pattern)| matches(pattern, &event[name])),
        Value::Array(values) => match event {
            Value::Array(found) => found.iter().any(|found| values.iter().any(|value| is(value, found))),
            found => values.iter().any(|value| is(value, found)),
        },
        other => panic!("no pattern: {other}"),
    }
}

fn is(value: &Value, found: &Value) -> bool {
    match (value["equals-ignore-case"].as_str(), found.as_str()) {
        (Some(wanted), Some(found)) => wanted.eq_ignore_ascii_case(found),
        _ => value == found,
    }
}

#[test]
fn the_patterns_match_what_they_are_for() {
    let matched = PATTERNS.map(|(_, pattern)| {
        let pattern: Value = serde_json::from_str(pattern).unwrap();
        let kinds = Kind::ALL
            .into_iter()
            .filter(|kind| matches(&pattern, &delivered(&sample(*kind))));
        kinds.collect::<Vec<_>>()
    });
    assert_eq!(matched[0], Kind::ALL);
    assert_eq!(matched[1], [Kind::RollbackFailed]);
    assert_eq!(matched[2], [Kind::InjectionBeginning]);
    assert_eq!(matched[3], [Kind::RunFinished]);
}

/// Every path of the example is in an event, and every one of its variables is set.
#[test]
fn the_chat_example_finds_what_it_shows() {
    let chat = chat();
    let transformer = &chat[0]["InputTransformer"];
    let event = delivered(&sample(Kind::RunFinished));
    let template = transformer["InputTemplate"].as_str().unwrap();
    let paths = transformer["InputPathsMap"].as_object().unwrap();
    for (name, path) in paths {
        let pointer = path.as_str().unwrap().trim_start_matches('$').replace('.', "/");
        assert!(event.pointer(&pointer).is_some_and(Value::is_string), "{path}");
        assert!(template.contains(&format!("<{name}>")), "{name}");
    }
    assert_eq!(template.matches('<').count(), paths.len());
    serde_json::from_str::<Value>(template).unwrap();
}

#[test]
fn the_examples_follow_the_schema() {
    let schema = jsonschema::validator_for(&Notice::json_schema()).unwrap();
    for kind in Kind::ALL {
        let detail = detail(&sample(kind));
        let problems: Vec<String> = schema.iter_errors(&detail).map(|error| error.to_string()).collect();
        assert_eq!(problems, [] as [&str; 0], "{kind:?}");
    }
    let mut wrong = detail(&sample(Kind::RunStarted));
    wrong["kind"] = json!("lunch");
    assert!(!schema.is_valid(&wrong));
}
