use super::*;
use crate::experiment::Day;
use proptest::prelude::*;

/// `sat sun 09:00 17:00 Europe/Berlin`
fn window(text: &str) -> TimeWindow {
    let words: Vec<&str> = text.split(' ').collect();
    let (days, [from, until, zone]) = words.split_at(words.len() - 3) else {
        panic!("{text}")
    };
    let day = |day: &&str| serde_json::from_value::<Day>((*day).into()).unwrap();
    TimeWindow {
        days: days.iter().map(day).collect(),
        from: from.parse().unwrap(),
        until: until.parse().unwrap(),
        time_zone: (*zone).to_owned(),
    }
}

fn hours(windows: &[&str]) -> Hours {
    let windows: Vec<TimeWindow> = windows.iter().map(|text| window(text)).collect();
    Hours::of(&windows).unwrap()
}

const OFFICE: &str = "mon tue wed thu fri 09:00 17:00 Europe/Berlin";

/// In Berlin, clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October.
#[test]
fn windows_open_and_close_by_the_clock_on_the_wall() {
    let night = &["fri 22:00 24:00 UTC", "sat 00:00 06:00 UTC"];
    let two_zones = &["mon 09:00 17:00 Europe/Berlin", "mon 09:00 17:00 America/New_York"];
    let (always, gap) = (
        "mon tue wed thu fri sat sun 00:00 24:00 UTC",
        "sun 02:15 02:45 Europe/Berlin",
    );
    let back = "sun 02:30 04:00 Europe/Berlin";
    for (windows, now, is_open, until) in [
        (&[OFFICE][..], "2026-03-06T08:00:00Z", true, "2026-03-06T16:00:00Z"),
        (&[OFFICE], "2026-03-06T07:59:59.999Z", false, "2026-03-06T08:00:00Z"),
        (&[OFFICE], "2026-03-06T15:59:59.999Z", true, "2026-03-06T16:00:00Z"),
        (&[OFFICE], "2026-03-06T16:00:00Z", false, "2026-03-09T08:00:00Z"),
        (&[OFFICE], "2026-03-07T12:00:00Z", false, "2026-03-09T08:00:00Z"),
        // Over the weekend on which clocks are put forward.
        (&[OFFICE], "2026-03-27T16:00:00Z", false, "2026-03-30T07:00:00Z"),
        (&[OFFICE], "2026-03-30T07:00:00Z", true, "2026-03-30T15:00:00Z"),
        // It opens, or closes, at a time that is jumped over; or both.
        (
            &["sun 02:30 05:00 Europe/Berlin"],
            "2026-03-29T00:30:00Z",
            false,
            "2026-03-29T01:00:00Z",
        ),
        (
            &["sun 01:00 02:30 Europe/Berlin"],
            "2026-03-29T00:30:00Z",
            true,
            "2026-03-29T01:00:00Z",
        ),
        (&[gap], "2026-03-29T00:00:00Z", false, "2026-04-05T00:15:00Z"),
        // Half an hour that comes twice.
        (&[gap], "2026-10-25T00:20:00Z", true, "2026-10-25T00:45:00Z"),
        (&[gap], "2026-10-25T00:50:00Z", false, "2026-10-25T01:15:00Z"),
        (&[gap], "2026-10-25T01:20:00Z", true, "2026-10-25T01:45:00Z"),
        // The clock goes back to before it opened.
        (&[back], "2026-10-25T00:30:00Z", true, "2026-10-25T01:00:00Z"),
        (&[back], "2026-10-25T01:00:00Z", false, "2026-10-25T01:30:00Z"),
        (&[back], "2026-10-25T01:30:00Z", true, "2026-10-25T03:00:00Z"),
        // The hour that comes twice is all inside.
        (
            &["sun 01:00 05:00 Europe/Berlin"],
            "2026-10-24T23:00:00Z",
            true,
            "2026-10-25T04:00:00Z",
        ),
        // Clocks of half an hour, and a day that has no midnight: clocks there go from 00:00 to 01:00.
        (
            &["sun 01:00 01:45 Australia/Lord_Howe"],
            "2026-04-04T14:30:00Z",
            true,
            "2026-04-04T14:45:00Z",
        ),
        (
            &["sat 12:00 24:00 Africa/Cairo"],
            "2026-04-25T12:00:00Z",
            true,
            "2026-04-25T21:00:00Z",
        ),
        (
            &["fri 00:00 12:00 Africa/Cairo"],
            "2026-04-23T21:00:00Z",
            false,
            "2026-04-23T22:00:00Z",
        ),
        (night, "2026-03-06T23:00:00Z", true, "2026-03-07T06:00:00Z"),
        (night, "2026-03-07T06:00:00Z", false, "2026-03-13T22:00:00Z"),
        // The windows of one day in two zones overlap.
        (two_zones, "2026-03-09T08:00:00Z", true, "2026-03-09T21:00:00Z"),
        (&[always], "2026-03-09T08:00:00Z", true, ""),
        (&[], "2026-03-09T08:00:00Z", false, ""),
    ] {
        let until = (!until.is_empty()).then(|| until.parse().unwrap());
        let expected = if is_open {
            Standing::Open { closes_at: until }
        } else {
            Standing::Closed { opens_at: until }
        };
        assert_eq!(
            hours(windows).standing(now.parse().unwrap()),
            expected,
            "{windows:?} at {now}"
        );
    }
}

#[test]
fn a_time_is_shown_in_the_zone_of_the_window() {
    let at = "2026-03-30T15:00:00Z".parse().unwrap();
    assert_eq!(hours(&[OFFICE]).shown(at), "Mon 2026-03-30 17:00 Europe/Berlin");
}

#[test]
fn a_zone_is_one_that_exists() {
    for name in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+3"] {
        assert!(time_zone(name).is_ok(), "{name}");
    }
    for name in [
        "",
        "Berlin",
        "Europe/Berlin ",
        "CEST",
        "+02:00",
        "Etc/Unknown",
        "../../etc/passwd",
        "UTC+1",
    ] {
        assert!(time_zone(name).is_err(), "{name}");
    }
}

proptest! {
    /// Whatever the windows: nothing changes before the change that is told, and there it does.
    #[test]
    fn the_next_change_is_the_next(
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo"]),
        days in prop::sample::subsequence(vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun"], 1..=7),
        (from, until) in (0u16..24, 1u16..=24).prop_filter("later", |(from, until)| from < until),
        minutes in 0i64..(366 * 24 * 60),
    ) {
        let text = format!("{} {from:02}:00 {until:02}:00 {zone}", days.join(" "));
        let hours = hours(&[&text]);
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let now = begin + SignedDuration::from_mins(minutes);
        let is_open = hours.is_open(now);
        let change = match hours.standing(now) {
            Standing::Open { closes_at } => closes_at,
            Standing::Closed { opens_at } => opens_at,
        };
        let until = change.unwrap_or(now + SignedDuration::from_hours(7 * 24));
        let mut at = now;
        while at < until {
            prop_assert_eq!(hours.is_open(at), is_open, "{} at {}", text, at);
            at += SignedDuration::from_mins(5);
        }
        if let Some(change) = change {
            prop_assert_ne!(hours.is_open(change), is_open, "{} at {}", text, change);
        }
    }
}
