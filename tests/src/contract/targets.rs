//! Functions and their settings.

use inoculate_core::error::Code;
use inoculate_core::names::FunctionName;
use inoculate_core::ports::Function;
use inoculate_core::setting::{Setting, SettingValue};

use super::{Fixture, MadeFunction, NewFunction};
use crate::{build, eventually};

async fn made(fixture: &dyn Fixture, tag: Option<&'static str>, has_source: bool) -> MadeFunction {
    let function = NewFunction {
        name: build::name(&fixture.unique("target")),
        tag,
        has_source,
    };
    fixture.make_function(&function).await
}

/// The value once no update is under way.
async fn settled(fixture: &dyn Fixture, function: &FunctionName, setting: &Setting) -> SettingValue {
    eventually("the update is over", async || {
        let reading = fixture.ports().targets.read(function, setting).await.unwrap();
        (!reading.updating).then_some(reading.value)
    })
    .await
}

/// Sets each value and reads it back, twice: setting what is set already is no error.
async fn set_and_read(fixture: &dyn Fixture, function: &FunctionName, setting: &Setting, values: &[SettingValue]) {
    for value in values.iter().flat_map(|value| [value, value]) {
        fixture.ports().targets.write(function, setting, *value).await.unwrap();
        assert_eq!(settled(fixture, function, setting).await, *value, "{setting}");
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
        let made = made(fixture, tag, false).await;
        let described = eventually("the function is ready", async || {
            let found = fixture.ports().targets.describe(&made.name).await.unwrap();
            found.filter(|function| function.ready)
        });
        let expected = Function {
            name: made.name.clone(),
            arn: made.arn.clone(),
            ready: true,
            allowed,
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
    for (setting, value) in [
        (Setting::ReservedConcurrency, SettingValue::Executions(0)),
        (Setting::ReservedConcurrency, SettingValue::Unreserved),
        (Setting::Timeout, SettingValue::Seconds(1)),
        (Setting::Memory, SettingValue::Megabytes(128)),
        (Setting::EventSource { source }, SettingValue::Enabled(false)),
    ] {
        let read = targets.read(&unknown, &setting).await.unwrap_err();
        assert_eq!(read.code, Code::TargetNotFound, "reading {setting}: {read}");
        let write = targets.write(&unknown, &setting, value).await.unwrap_err();
        assert_eq!(write.code, Code::TargetNotFound, "writing {setting}: {write}");
    }
}

/// Nothing reserved is something else than none may run.
pub async fn reserved_concurrency_is_set_and_taken_away(fixture: &dyn Fixture) {
    let function = made(fixture, Some("allow"), false).await.name;
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
    let function = made(fixture, Some("allow"), false).await.name;
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
    let made = made(fixture, Some("allow"), true).await;
    let setting = Setting::EventSource {
        source: made.source.expect("it has a source"),
    };
    assert_eq!(
        settled(fixture, &made.name, &setting).await,
        SettingValue::Enabled(true)
    );
    let values = [SettingValue::Enabled(false), SettingValue::Enabled(true)];
    set_and_read(fixture, &made.name, &setting, &values).await;
}

/// A function that has sources, but not this one.
pub async fn an_unknown_event_source_is_an_error(fixture: &dyn Fixture) {
    let function = made(fixture, Some("allow"), true).await.name;
    let setting = Setting::EventSource {
        source: "arn:aws:sqs:eu-west-1:123456789012:unknown".to_owned(),
    };
    let read = fixture.ports().targets.read(&function, &setting).await.unwrap_err();
    assert_eq!(read.code, Code::TargetNotFound, "{read}");
    let write = fixture
        .ports()
        .targets
        .write(&function, &setting, SettingValue::Enabled(false))
        .await
        .unwrap_err();
    assert_eq!(write.code, Code::TargetNotFound, "{write}");
}

/// A defect of the caller; nothing changes.
pub async fn a_value_of_another_setting_is_refused(fixture: &dyn Fixture) {
    let function = made(fixture, Some("allow"), false).await.name;
    let error = fixture
        .ports()
        .targets
        .write(&function, &Setting::Timeout, SettingValue::Megabytes(1))
        .await;
    assert_eq!(error.unwrap_err().code, Code::Internal);
    assert_eq!(
        settled(fixture, &function, &Setting::Timeout).await,
        SettingValue::Seconds(3)
    );
}
