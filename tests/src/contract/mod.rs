//! What every implementation of the ports must do, as async functions over a [`Fixture`].
//!
//! `tests/tests/ports.rs` runs each of them against memory and against AWS (the local stack). A rule that is true of one
//! only is not a rule: put it into the unit tests of that one.
//!
//! Worlds are shared and outlive a test, so a rule makes everything it needs under a name of its own
//! ([`Fixture::unique`]) and never counts what others may have made.

mod alarms;
pub mod attach;
mod executions;
mod leases;
mod library;
mod outside;
mod runs;
mod schedules;
mod sketches;
mod targets;

use async_trait::async_trait;
use inoculate_core::experiment::Metric;
use inoculate_core::names::FunctionName;
use inoculate_core::ports::Ports;
use inoculate_core::schedule::Schedules;
use jiff::Timestamp;

pub use alarms::*;
pub use executions::*;
pub use leases::*;
pub use library::*;
pub use outside::*;
pub use runs::*;
pub use schedules::*;
pub use sketches::*;
pub use targets::*;

/// What a rule needs of a world beside its ports.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The ports.
    fn ports(&self) -> &Ports;

    /// The schedules.
    fn schedules(&self) -> &dyn Schedules;

    /// This word, made into one that nothing else in the world uses. Letters, digits and `-` only.
    fn unique(&self, word: &str) -> String;

    /// Makes a function that waits to be changed.
    async fn make_function(&self, function: &NewFunction) -> MadeFunction;

    /// Publishes samples to a metric.
    async fn publish(&self, metric: &Metric, samples: &[(Timestamp, f64)]);

    /// Makes an alarm of somebody else that is in ALARM or not.
    async fn make_alarm(&self, name: &str, in_alarm: bool);

    /// Puts an alarm that is there into ALARM or out of it.
    async fn set_alarm(&self, name: &str, in_alarm: bool);

    /// Starts an execution that waits, and stops it unless it is to go on. Returns its ARN.
    async fn make_execution(&self, name: &str, running: bool) -> String;

    /// From now on, this listener hears what is told, of anything.
    async fn listen(&self, listener: &str);

    /// What a listener has heard since it began: messages as SNS delivers them (`Subject`, `Message`), and events as
    /// EventBridge does.
    async fn heard(&self, listener: &str) -> Vec<serde_json::Value>;

    /// Writes items as the layer writes them, keys included.
    async fn write_as_layer(&self, items: &[serde_json::Value]);
}

/// A function to make: 3 seconds, 256 MB, nothing reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFunction {
    /// Its name.
    pub name: FunctionName,
    /// The value of its tag `inoculate`; `None` for no such tag.
    pub tag: Option<&'static str>,
    /// The queue that it gets events from.
    pub source: Option<NewSource>,
}

/// A queue to make, and its mapping to a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSource {
    /// The value of the tag `inoculate` of the mapping; `None` for no such tag.
    pub tag: Option<&'static str>,
}

/// A function that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeFunction {
    /// Its name.
    pub name: FunctionName,
    /// Its ARN, without version or alias.
    pub arn: String,
    /// The ARN of its queue.
    pub source: Option<String>,
}

/// Lists the rules that the local stack cannot show, for it lacks the feature. On AWS they hold; nothing here proves it.
///
/// - `metrics_are_combined_by_an_expression`: MiniStack 1.5.33 answers "Expressions not implemented".
#[macro_export]
macro_rules! every_rule_beyond_the_local_stack {
    ($make_tests:ident) => {
        $make_tests! {
            metrics_are_combined_by_an_expression
        }
    };
}

/// Lists every other rule, for a macro that makes a test of each.
#[macro_export]
macro_rules! every_rule {
    ($make_tests:ident) => {
        $make_tests! {
            a_new_run_is_recorded_with_its_experiment
            a_run_whose_experiment_could_not_be_read_is_recorded_without_it
            recording_a_run_again_with_the_same_token_changes_nothing
            a_run_of_another_token_is_a_conflict
            what_is_not_there_is_nothing
            a_change_is_written_with_its_entry
            a_change_written_again_changes_nothing
            a_change_on_a_stale_version_is_a_conflict
            a_change_in_the_wrong_phase_is_a_conflict
            a_change_of_an_unknown_run_is_a_conflict
            of_two_writers_one_wins
            the_journal_is_in_order_and_without_gaps
            undo_records_are_replaced_by_number
            results_come_back_as_they_were_written
            runs_are_listed_newest_first
            of_a_filtered_list_the_limit_counts_what_is_shown
            open_runs_are_listed_oldest_first_until_they_are_closed
            a_free_lease_is_taken
            a_lease_taken_again_by_its_holder_is_renewed
            a_held_lease_is_not_taken
            a_released_lease_is_free_and_the_fence_rises
            an_expired_lease_is_taken_over_only_as_it_was_found
            a_lease_that_was_renewed_after_it_was_found_is_not_taken_over
            only_the_holder_renews
            a_lease_is_given_back_once_and_only_by_its_holder
            a_lease_says_to_the_layer_what_it_was_given
            what_the_layers_saw_is_added_up
            problems_of_the_layers_are_found
            an_experiment_is_saved_and_replaced
            the_kill_switch_stands_until_it_is_lifted
            a_function_is_described_with_its_consent
            an_unknown_function_is_nothing_or_an_error
            reserved_concurrency_is_set_and_taken_away
            timeout_and_memory_are_set_and_set_back
            an_event_source_is_switched_off_and_on
            a_value_that_somebody_else_set_is_not_overwritten
            a_mapping_needs_a_tag_of_its_own
            an_unknown_event_source_is_an_error
            a_value_of_another_setting_is_refused
            alarms_are_in_the_order_asked_for_and_each_once
            an_alarm_that_is_made_is_quiet_and_listed
            an_alarm_made_again_is_one_and_keeps_its_state
            alarms_are_deleted_and_so_is_what_is_not_there
            alarms_of_others_are_not_listed
            an_alarm_without_a_limit_is_refused
            points_are_whole_periods_oldest_first
            periods_without_data_have_no_point
            each_measure_has_its_own_period
            statistics_are_those_of_cloudwatch
            a_window_without_a_whole_period_has_no_points
            a_notice_reaches_people_and_programs
            every_notice_can_be_published
            an_execution_is_known_by_its_arn
            an_unknown_execution_is_nothing
            a_schedule_is_listed_as_it_was_made
            a_schedule_is_not_replaced
            a_schedule_is_removed_once
        }
    };
}
