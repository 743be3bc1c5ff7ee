//! Functions and their settings.

use inoculate_core::error::Code;
use inoculate_core::names::FunctionName;
use inoculate_core::passing::Passing;
use inoculate_core::ports::Function;
use inoculate_core::setting::{Setting, SettingValue};

use super::{Fixture, MadeFunction, NewFunction, NewSource};
use crate::{build, eventually};

async fn made(fixture: &dyn Fixture, tag: Option<&'static str>, source: Option<NewSource>) -> MadeFunction {
    let name = build::name(&fixture.unique("target"));
    fixture.make_function(&NewFunction { name, tag, source }).await
}

/// A function that allows experiments, without an event source.
async fn allowed(fixture: &dyn Fixture) -> FunctionName {
    made(fixture, Some("allow"), None).await.name
}

/// A function that allows experiments, the mapping from its queue, with this tag, and the queue.
async fn mapped(fixture: &dyn Fixture, tag: Option<&'static str>) -> (FunctionName, Setting, String) {
    let made = made(fixture, Some("allow"), Some(NewSource { tag })).await;
    let source = made.source.expect("it has a source");
    (made.name, Setting::EventSource { source: source.clone() }, source)
}

/// The value once no update is under way.
async fn settled(fixture: &dyn Fixture, function: &FunctionName, setting: &Setting) -> SettingValue {
    eventually("the update is over", async || {
        let reading = fixture.ports().targets.read(function, setting).await.unwrap();
        (!reading.updating).then_some(reading.value)
    })
    .await
}

/// Sets each value and reads it back, twice: replacing what is replaced already is no error.
async fn set_and_read(fixture: &dyn Fixture, function: &FunctionName, setting: &Setting, values: &[SettingValue]) {
    let targets = &fixture.ports().targets;
    let mut now = settled(fixture, function, setting).await;
    for to in values {
        for _ in 0..2 {
            targets.replace(function, setting, now, *to).await.unwrap();
            assert_eq!(settled(fixture, function, setting).await, *to, "{setting}");
        }
        now = *to;
    }
}

/// Only the tag `inoculate` with the value `allow` is consent.
pub async fn a_function_is_described_with_its_consent(fixture: &dyn Fixture) {
    for (tag, allowed) in [
        (Some("allow"), true),
        (Some("deny"), false),
        (Some("Allow"), false),
        (None, false),
    ] {
        let made = made(fixture, tag, None).await;
        let described = eventually("the function is ready", async || {
            let found = fixture.ports().targets.describe(&made.name).await.unwrap();
            found.filter(|function| function.ready)
        });
        let expected = Function {
            name: made.name.clone(),
            arn: made.arn.clone(),
            ready: true,
            allowed,
            tags: tag
                .map(|tag| ("inoculate".to_owned(), tag.to_owned()))
                .into_iter()
                .collect(),
            calls: Some(Passing::default()),
        };
        assert_eq!(described.await, expected, "{tag:?}");
    }
}

/// It is nothing to describe, and an error to read or write.
pub async fn an_unknown_function_is_nothing_or_an_error(fixture: &dyn Fixture) {
    let targets = &fixture.ports().targets;
    let unknown: FunctionName = build::name(&fixture.unique("unknown"));
    assert_eq!(targets.describe(&unknown).await.unwrap(), None);
    let source = "arn:aws:sqs:eu-west-1:123456789012:unknown".to_owned();
    let (unreserved, none) = (SettingValue::Unreserved, SettingValue::Executions(0));
    let (on, off) = (SettingValue::Enabled(true), SettingValue::Enabled(false));
    for (setting, from, to) in [
        (Setting::ReservedConcurrency, unreserved, none),
        (Setting::ReservedConcurrency, none, unreserved),
        (Setting::Timeout, SettingValue::Seconds(3), SettingValue::Seconds(1)),
        (
            Setting::Memory,
            SettingValue::Megabytes(256),
            SettingValue::Megabytes(128),
        ),
        (Setting::EventSource { source }, on, off),
    ] {
        let read = targets.read(&unknown, &setting).await.unwrap_err();
        assert_eq!(read.code, Code::TargetNotFound, "reading {setting}: {read}");
        let replace = targets.replace(&unknown, &setting, from, to).await.unwrap_err();
        assert_eq!(replace.code, Code::TargetNotFound, "replacing {setting}: {replace}");
    }
}

/// Nothing reserved is something else than none may run.
pub async fn reserved_concurrency_is_set_and_taken_away(fixture: &dyn Fixture) {
    let function = allowed(fixture).await;
    let setting = Setting::ReservedConcurrency;
    assert_eq!(settled(fixture, &function, &setting).await, SettingValue::Unreserved);
    let values = [
        SettingValue::Executions(0),
        SettingValue::Executions(2),
        SettingValue::Unreserved,
    ];
    set_and_read(fixture, &function, &setting, &values).await;
}

/// One setting does not touch the other.
pub async fn timeout_and_memory_are_set_and_set_back(fixture: &dyn Fixture) {
    let function = allowed(fixture).await;
    assert_eq!(
        settled(fixture, &function, &Setting::Timeout).await,
        SettingValue::Seconds(3)
    );
    assert_eq!(
        settled(fixture, &function, &Setting::Memory).await,
        SettingValue::Megabytes(256)
    );
    set_and_read(fixture, &function, &Setting::Timeout, &[SettingValue::Seconds(1)]).await;
    set_and_read(fixture, &function, &Setting::Memory, &[SettingValue::Megabytes(128)]).await;
    assert_eq!(
        settled(fixture, &function, &Setting::Timeout).await,
        SettingValue::Seconds(1)
    );
    set_and_read(fixture, &function, &Setting::Timeout, &[SettingValue::Seconds(3)]).await;
    assert_eq!(
        settled(fixture, &function, &Setting::Memory).await,
        SettingValue::Megabytes(128)
    );
}

/// Off, and on again.
pub async fn an_event_source_is_switched_off_and_on(fixture: &dyn Fixture) {
    let (function, setting, _) = mapped(fixture, Some("allow")).await;
    assert_eq!(settled(fixture, &function, &setting).await, SettingValue::Enabled(true));
    let values = [SettingValue::Enabled(false), SettingValue::Enabled(true)];
    set_and_read(fixture, &function, &setting, &values).await;
}

/// It is a conflict that names what was found. A mapping knows on and off only, so nobody can set it to anything else.
pub async fn a_value_that_somebody_else_set_is_not_overwritten(fixture: &dyn Fixture) {
    let function = allowed(fixture).await;
    let targets = &fixture.ports().targets;
    let executions = SettingValue::Executions;
    let (seconds, megabytes) = (SettingValue::Seconds, SettingValue::Megabytes);
    for (setting, theirs, from, to) in [
        (
            Setting::ReservedConcurrency,
            executions(7),
            executions(0),
            SettingValue::Unreserved,
        ),
        (
            Setting::ReservedConcurrency,
            executions(9),
            SettingValue::Unreserved,
            executions(0),
        ),
        (Setting::Timeout, seconds(7), seconds(1), seconds(3)),
        (Setting::Memory, megabytes(512), megabytes(128), megabytes(256)),
    ] {
        set_and_read(fixture, &function, &setting, &[theirs]).await;
        let error = targets.replace(&function, &setting, from, to).await.unwrap_err();
        assert_eq!(error.code, Code::Conflict, "{setting}: {error}");
        assert!(error.message.contains(&theirs.to_string()), "{error}");
        assert_eq!(settled(fixture, &function, &setting).await, theirs, "{setting}");
    }
}

/// The tag of the function does not count for its mappings. Without the tag a mapping can still be read and put back.
pub async fn a_mapping_needs_a_tag_of_its_own(fixture: &dyn Fixture) {
    let targets = &fixture.ports().targets;
    for (tag, allowed) in [(Some("allow"), true), (Some("deny"), false), (None, false)] {
        let (function, setting, source) = mapped(fixture, tag).await;
        let mapping = targets.mapping(&function, &source).await.unwrap();
        assert_eq!(mapping.allowed, allowed, "{tag:?}");
        let arn = &mapping.arn;
        assert!(
            arn.starts_with("arn:aws:lambda:") && arn.contains(":event-source-mapping:"),
            "{arn}"
        );
        let values = [SettingValue::Enabled(false), SettingValue::Enabled(true)];
        set_and_read(fixture, &function, &setting, &values).await;
    }
}

/// A function that has sources, but not this one.
pub async fn an_unknown_event_source_is_an_error(fixture: &dyn Fixture) {
    let (function, ..) = mapped(fixture, Some("allow")).await;
    let targets = &fixture.ports().targets;
    let source = "arn:aws:sqs:eu-west-1:123456789012:unknown".to_owned();
    let setting = Setting::EventSource { source: source.clone() };
    let (on, off) = (SettingValue::Enabled(true), SettingValue::Enabled(false));
    for error in [
        targets.read(&function, &setting).await.unwrap_err(),
        targets.mapping(&function, &source).await.unwrap_err(),
        targets.replace(&function, &setting, on, off).await.unwrap_err(),
    ] {
        assert_eq!(error.code, Code::TargetNotFound, "{error}");
    }
}

/// A defect of the caller; nothing changes.
pub async fn a_value_of_another_setting_is_refused(fixture: &dyn Fixture) {
    let function = allowed(fixture).await;
    let (from, to) = (SettingValue::Seconds(3), SettingValue::Megabytes(1));
    assert_eq!(settled(fixture, &function, &Setting::Timeout).await, from);
    let targets = &fixture.ports().targets;
    let error = targets.replace(&function, &Setting::Timeout, from, to).await;
    assert_eq!(error.unwrap_err().code, Code::Internal);
    assert_eq!(settled(fixture, &function, &Setting::Timeout).await, from);
}
