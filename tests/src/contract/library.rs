//! Saved experiments and the kill switch.

use inoculate_core::ports::Halt;
use inoculate_core::read::experiment_from_value;
use jiff::SignedDuration;
use serde_json::json;

use super::Fixture;
use crate::build;

/// What is saved comes back as an experiment with the same digest; the latest one counts.
pub async fn an_experiment_is_saved_and_replaced(fixture: &dyn Fixture) {
    let library = &fixture.ports().library;
    let name = fixture.unique("saved");
    let with = |most: f64| {
        build::experiment_with(|value| {
            value["name"] = json!(name);
            value["steady_state"][0]["tolerance"]["at_most"] = json!(most);
        })
    };
    assert_eq!(library.experiment(&build::name(&name)).await.unwrap(), None);
    for most in [1.0, 0.1, 1.0 / 3.0] {
        library.save_experiment(&with(most)).await.unwrap();
        let saved = library.experiment(&build::name(&name)).await.unwrap().unwrap();
        let read = experiment_from_value(&saved).unwrap();
        assert_eq!(read.digest(), with(most).digest());
    }
}

/// Setting it again replaces the reason; lifting what does not stand is no error.
pub async fn the_kill_switch_stands_until_it_is_lifted(fixture: &dyn Fixture) {
    let library = &fixture.ports().library;
    let since = build::second(1_000_000) + SignedDuration::from_millis(250);
    let halt = |reason: &str| Halt {
        reason: reason.to_owned(),
        since,
    };
    library.set_halt(None).await.unwrap();
    assert_eq!(library.halt().await.unwrap(), None);
    for reason in ["an incident", "another incident"] {
        library.set_halt(Some(&halt(reason))).await.unwrap();
        assert_eq!(library.halt().await.unwrap(), Some(halt(reason)));
    }
    for _ in 0..2 {
        library.set_halt(None).await.unwrap();
        assert_eq!(library.halt().await.unwrap(), None);
    }
}
