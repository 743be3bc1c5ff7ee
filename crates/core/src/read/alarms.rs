//! What must be true of the alarms that a run makes for itself.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>

use super::{Problem, child};
use crate::experiment::{AbortAlarm, BadPoints, MissingData};
use crate::span::Span;

/// The longest time that an alarm looks back, in seconds. CloudWatch allows more to periods of hours, which no run has.
const LONGEST_LOOK_SECS: u64 = 86_400;

/// Everything that is wrong with these alarms, each at its pointer. `longest` is how long the faults are there.
pub(super) fn problems(alarms: &[(String, AbortAlarm)], longest: Option<Span>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (place, (pointer, alarm)) in alarms.iter().enumerate() {
        if alarms[..place].iter().any(|(_, other)| other == alarm) {
            problems.push(Problem::at(pointer, "there is already an alarm like this").help("keep one of the two"));
        } else {
            limit_fits(pointer, alarm, &mut problems);
        }
        period_fits(pointer, alarm, &mut problems);
        missing_data_fits(pointer, alarm, &mut problems);
        points_fit(pointer, alarm, longest, &mut problems);
    }
    problems
}

fn limit_fits(pointer: &str, alarm: &AbortAlarm, problems: &mut Vec<Problem>) {
    let message = match (alarm.above, alarm.below) {
        (None, None) => "the alarm has no limit",
        (Some(_), Some(_)) => "the alarm has two limits",
        _ => return,
    };
    problems.push(Problem::at(pointer, message).help("one of `above` and `below`; write two alarms for both"));
}

fn period_fits(pointer: &str, alarm: &AbortAlarm, problems: &mut Vec<Problem>) {
    let (period, namespace) = (alarm.period, &alarm.metric.namespace);
    if !matches!(period.secs(), 10 | 20 | 30) && !period.secs().is_multiple_of(60) {
        let message = format!("an alarm of CloudWatch has no period of {period}");
        problems.push(Problem::at(child(pointer, "period"), message).help("10s, 20s, 30s or whole minutes"));
    } else if alarm.is_high_resolution() && namespace.starts_with("AWS/") {
        let message = format!("{namespace} has no points every {period}");
        problems.push(
            Problem::at(child(pointer, "period"), message).help("whole minutes: AWS itself writes no more often"),
        );
    }
}

/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>
fn missing_data_fits(pointer: &str, alarm: &AbortAlarm, problems: &mut Vec<Problem>) {
    if alarm.missing_data == MissingData::Bad && alarm.metric.namespace == "AWS/DynamoDB" {
        let message = "CloudWatch ignores missing data of AWS/DynamoDB";
        let help = "leave it out; choose a metric that tells by its value";
        problems.push(Problem::at(child(pointer, "missing_data"), message).help(help));
    }
}

fn points_fit(pointer: &str, alarm: &AbortAlarm, longest: Option<Span>, problems: &mut Vec<Problem>) {
    let BadPoints { bad, of } = alarm.points;
    let secs = |points: u32| u64::from(points) * u64::from(alarm.period.secs());
    // Where the default stands, there is nothing to point at.
    let at = if alarm.points == BadPoints::default() {
        pointer.to_owned()
    } else {
        child(pointer, "points")
    };
    if bad > of {
        let message = format!("{bad} of {of} points cannot be bad");
        problems.push(Problem::at(at, message).help("at most as many as are looked at"));
    } else if secs(of) > LONGEST_LOOK_SECS {
        let message = format!("{of} points of {} are more than a day", alarm.period);
        problems.push(Problem::at(at, message).help("fewer points, or a shorter period"));
    } else if let Some(longest) = longest.filter(|longest| secs(bad) > u64::from(longest.secs())) {
        let message = format!(
            "the alarm could not end the run: its bad points take {}s, the faults {longest}",
            secs(bad)
        );
        problems.push(
            Problem::at(at, message).help("fewer bad points, or a shorter period, or a longer blast_radius.longest"),
        );
    }
}
