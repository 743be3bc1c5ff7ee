use super::*;

fn zone(name: &str) -> TimeZone {
    name.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next three starts from a time on.
fn starts(expression: &str, zone_name: &str, now: &str) -> Vec<String> {
    let within = Within {
        now: at(now),
        made_at: at(now),
        from: None,
        until: None,
    };
    let expression = Expression::of_scheduler(expression).unwrap();
    let starts = expression.starts(&zone(zone_name), &within, 3);
    starts.iter().map(ToString::to_string).collect()
}

/// Days as Quartz counts them: Sunday is 1. Every example of the user guide of AWS, among others.
#[test]
fn the_next_starts_are_those_of_the_clock_in_the_zone() {
    // A Saturday.
    let now = "2026-11-21T20:00:00Z";
    for (expression, expected) in [
        ("cron(0 10 ? * TUE *)", ["11-24T10:00", "12-01T10:00", "12-08T10:00"]),
        ("cron(0 10 ? * 3 *)", ["11-24T10:00", "12-01T10:00", "12-08T10:00"]),
        ("cron(0 10 * * ? *)", ["11-22T10:00", "11-23T10:00", "11-24T10:00"]),
        ("cron(15 12 * * ? *)", ["11-22T12:15", "11-23T12:15", "11-24T12:15"]),
        (
            "cron(0 18 ? * MON-FRI *)",
            ["11-23T18:00", "11-24T18:00", "11-25T18:00"],
        ),
        (
            "cron(0/30 20-22 ? * SAT,SUN *)",
            ["11-21T20:00", "11-21T20:30", "11-21T21:00"],
        ),
        (
            "cron(15 10 ? * 6L 2026-2027)",
            ["11-27T10:15", "12-25T10:15", "2027-01-29T10:15"],
        ),
        (
            "cron(0 9 ? * 2#1 *)",
            ["12-07T09:00", "2027-01-04T09:00", "2027-02-01T09:00"],
        ),
        (
            "cron(0 8 1 * ? *)",
            ["12-01T08:00", "2027-01-01T08:00", "2027-02-01T08:00"],
        ),
        ("cron(0 8 L * ? *)", ["11-30T08:00", "12-31T08:00", "2027-01-31T08:00"]),
        (
            "cron(0 8 1W * ? *)",
            ["12-01T08:00", "2027-01-01T08:00", "2027-02-01T08:00"],
        ),
        ("rate(1 hour)", ["11-21T20:00", "11-21T21:00", "11-21T22:00"]),
        ("rate(7 days)", ["11-21T20:00", "11-28T20:00", "12-05T20:00"]),
    ] {
        let full = |text: &str| {
            if text.len() > 11 {
                text.to_owned()
            } else {
                format!("2026-{text}")
            }
        };
        let expected: Vec<String> = expected.iter().map(|text| format!("{}:00Z", full(text))).collect();
        assert_eq!(starts(expression, "UTC", now), expected, "{expression}");
    }
    assert_eq!(
        starts("at(2026-12-01T10:00:00)", "Europe/Berlin", now),
        ["2026-12-01T09:00:00Z"]
    );
    assert_eq!(starts("at(2026-11-21T19:00:00)", "UTC", now), [""; 0]);
    assert_eq!(starts("cron(0 10 ? * TUE 2025)", "UTC", now), [""; 0]);
}

/// A time that does not come is passed over, one that comes twice counts once, and in between the clock decides.
///
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>
#[test]
fn on_the_days_when_clocks_change_it_is_as_the_scheduler_does_it() {
    let berlin = |now| starts("cron(30 2 * * ? *)", "Europe/Berlin", now);
    assert_eq!(
        berlin("2026-03-28T00:00:00Z"),
        ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"]
    );
    assert_eq!(
        berlin("2026-10-24T00:00:00Z"),
        ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    // The clock shows half past two for the second time.
    assert_eq!(berlin("2026-10-25T01:10:00Z")[0], "2026-10-26T01:30:00Z");
    // A day of a rate has 24 hours.
    assert_eq!(
        starts("rate(1 day)", "Europe/Berlin", "2026-03-28T09:00:00Z")[2],
        "2026-03-30T09:00:00Z"
    );
    assert_eq!(
        starts("at(2026-03-29T02:30:00)", "Europe/Berlin", "2026-01-01T00:00:00Z"),
        [""; 0]
    );
}

#[test]
fn starts_are_between_from_and_until() {
    let zone = zone("Europe/Berlin");
    let day = |text: &str, moment| zone.moment(&text.parse().unwrap(), moment).unwrap();
    let within = Within {
        now: at("2026-11-21T20:00:00Z"),
        made_at: at("2026-11-01T00:00:00Z"),
        from: Some(day("2026-12-01", Moment::First)),
        until: Some(day("2026-12-02", Moment::Last)),
    };
    assert_eq!(within.from, Some(at("2026-11-30T23:00:00Z")));
    assert_eq!(within.until, Some(at("2026-12-02T22:59:59Z")));
    let daily = Expression::cron("0 10 * * ? *").unwrap();
    assert_eq!(
        daily.starts(&zone, &within, 3),
        [at("2026-12-01T09:00:00Z"), at("2026-12-02T09:00:00Z")]
    );
    let rate = Expression::rate("20 hours").unwrap();
    assert_eq!(rate.starts(&zone, &within, 1), [at("2026-11-30T23:00:00Z")]);
    // Without `from`, from when it was made on.
    let running = Within {
        from: None,
        until: None,
        ..within
    };
    assert_eq!(rate.starts(&zone, &running, 1), [at("2026-11-21T20:00:00Z")]);
    assert_eq!(day("2026-12-01T10:00", Moment::Last), at("2026-12-01T09:00:00Z"));
    let never = zone
        .moment(&"2026-03-29T02:30".parse().unwrap(), Moment::First)
        .unwrap_err();
    assert!(never.contains("never shows"), "{never}");
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    for (fields, says) in [
        ("0 10 * * TUE", "5 fields"),
        ("@daily", "1 fields"),
        ("0 0 10 ? * TUE *", "7 fields"),
        ("0 10 * * TUE *", "exactly one of"),
        ("0 10 ? * ? *", "exactly one of"),
        ("60 10 ? * TUE *", ""),
        ("0 24 ? * TUE *", ""),
        ("0 10 ? * 8 *", ""),
        ("0 10 32 * ? *", ""),
        ("0 10 ? 13 TUE *", ""),
        ("0 10 ? * TOD *", ""),
        ("0 10 ? * TUE 1969", "1969"),
        ("0 10 ? * TUE 2200", "2200"),
        ("0 10 ? * TUE+ *", "`+` has no meaning in day-of-week"),
        ("? 10 ? * TUE *", "`?` has no meaning in minutes"),
        ("0;10 10 ? * TUE *", "`;` has no meaning"),
    ] {
        let error = Expression::cron(fields).map(|read| read.to_string()).unwrap_err();
        assert!(error.contains(says), "{fields}: {error}");
    }
    for text in [
        "",
        "7",
        "days",
        "0 days",
        "-1 days",
        "+1 days",
        "1.5 days",
        "7 weeks",
        "7  days",
        "100000 days",
        "7 dayss",
    ] {
        assert!(Expression::rate(text).is_err(), "{text:?}");
    }
    for text in [
        "",
        "tomorrow",
        "2026-12-01",
        "2026-12-01T10:00Z",
        "2026-12-01T10:00+01:00",
        "2026-02-30T10:00",
        "2026-12-01 10:00",
    ] {
        assert!(Expression::at(text).is_err(), "{text:?}");
    }
    for text in ["cron 0 10 ? * TUE *", "cron(0 10 ? * TUE *", "daily(1)", ""] {
        assert!(Expression::of_scheduler(text).is_err(), "{text:?}");
    }
    for name in ["", "Mars/Base", "+01:00", "Berlin"] {
        assert!(name.parse::<TimeZone>().is_err(), "{name:?}");
    }
}

#[test]
fn it_is_written_as_the_scheduler_reads_it() {
    for (given, written) in [
        (Expression::cron("0 10 ?  * tue *"), "cron(0 10 ? * TUE *)"),
        (Expression::rate("1 days"), "rate(1 day)"),
        (Expression::rate("15 minute"), "rate(15 minutes)"),
        (Expression::at("2026-12-01T10:00"), "at(2026-12-01T10:00:00)"),
    ] {
        assert_eq!(given.unwrap().to_string(), written);
        assert_eq!(Expression::of_scheduler(written).unwrap().to_string(), written);
    }
    assert_eq!(zone("europe/berlin").name(), "Europe/Berlin");
}
