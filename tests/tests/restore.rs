//! Putting a setting back while others are at it too.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use inoculate_core::names::FunctionName;
use inoculate_core::setting::{Setting, SettingValue};
use inoculate_core::undo::{Injector, UndoRecord, UndoState};
use inoculate_step::Step;
use inoculate_step::restore::Restored;
use inoculate_tests::World;
use inoculate_tests::build::{self, PAYMENTS};
use inoculate_tests::fail::Failing;

/// The fault: [`PAYMENTS`] times out after 1 second instead of 3.
fn shortened() -> UndoRecord {
    UndoRecord {
        setting: Setting::Timeout,
        before: SettingValue::Seconds(3),
        set: SettingValue::Seconds(1),
        ..build::undo(0, UndoState::Applied)
    }
}

fn set_timeout(world: &World, secs: u32) {
    let name: FunctionName = build::name(PAYMENTS);
    world.change(|state| state.functions.get_mut(&name).unwrap().timeout_secs = secs);
}

/// A deploy between the look and the change: the first call reads, the second replaces.
#[tokio::test]
async fn a_deploy_at_the_worst_moment_is_kept_and_found_by_the_next_look() {
    let world = build::shop();
    set_timeout(&world, 1);
    let failing = Failing::over(world.ports());
    let deploy = world.clone();
    failing.interrupt(2, async move { set_timeout(&deploy, 7) });
    let step = Step {
        ports: failing.ports(),
        attempt: "test".to_owned(),
    };

    let first = step.restore(&shortened(), Injector::Ended).await.unwrap();
    assert_eq!(first, Restored::Pending);
    assert_eq!(failing.calls()[1].name, "targets.replace", "the deploy came too early");
    let found = SettingValue::Seconds(7);
    let second = step.restore(&shortened(), Injector::Ended).await.unwrap();
    assert_eq!(second, Restored::Settled(UndoState::Foreign { found }));
    assert_eq!(world.function(PAYMENTS).timeout_secs, 7);
}

/// Two rollbacks at once: both look, one puts it back, the other finds it done.
#[tokio::test]
async fn two_rollbacks_at_once_put_it_back_once() {
    let world = build::shop();
    set_timeout(&world, 1);
    let failing = Failing::over(world.ports());
    let other = Step {
        ports: world.ports(),
        attempt: "other".to_owned(),
    };
    failing.interrupt(2, async move {
        other.restore(&shortened(), Injector::Ended).await.unwrap();
    });
    let step = Step {
        ports: failing.ports(),
        attempt: "test".to_owned(),
    };
    let restored = step.restore(&shortened(), Injector::Ended).await.unwrap();
    assert_eq!(restored, Restored::Settled(UndoState::Restored));
    assert_eq!(world.function(PAYMENTS).timeout_secs, 3);
}
