//! Environments, tags and time windows, right and wrong.

use super::cases::Edits;

pub(crate) const GOOD_GUARDS: &[(&str, Edits)] = &[
    (
        "an environment",
        &[("blast_radius:", "environment: production\nblast_radius:")],
    ),
    (
        "tags",
        &[(
            "  percent: 100",
            "  tags: { team: payments, 'aws:cloudformation:stack-name': shop, empty: '' }\n  percent: 100",
        )],
    ),
    (
        "a night in two windows",
        &[(
            "guards:",
            "guards:
  windows:
    - { days: [fri], from: 22:00, until: 24:00, time_zone: Europe/Berlin }
    - { days: [sat, sun], from: 00:00, until: 06:30, time_zone: Europe/Berlin }",
        )],
    ),
    ("any time", &[("guards:", "guards:\n  any_time: true")]),
    (
        "windows, and not any time",
        &[(
            "guards:",
            "guards:\n  any_time: false\n  windows: [{ days: [mon], from: 09:00, until: 17:00, time_zone: UTC }]",
        )],
    ),
];

pub(crate) const BAD_GUARDS: &[(&str, Edits)] = &[
    (
        "an environment that is no name",
        &[("blast_radius:", "environment: «live system\nblast_radius:")],
    ),
    (
        "a tag that is no text",
        &[("  percent: 100", "  tags: { team: «12 }\n  percent: 100")],
    ),
    (
        "a tag without a name",
        &[("  percent: 100", "  tags: { '': «payments }\n  percent: 100")],
    ),
    (
        "no windows",
        &[(
            "guards:",
            "guards:\n  windows: [{ «days: [], from: 09:00, until: 17:00, time_zone: UTC }]",
        )],
    ),
    (
        "a window without a zone",
        &[(
            "guards:",
            "guards:\n  windows: [«{ days: [mon], from: 09:00, until: 17:00 }]",
        )],
    ),
    (
        "a day that is none",
        &[(
            "guards:",
            "guards:\n  windows: [{ days: [«monday], from: 09:00, until: 17:00, time_zone: UTC }]",
        )],
    ),
    (
        "a time that is none",
        &[(
            "guards:",
            "guards:\n  windows: [{ days: [mon], from: «9am, until: «25:00, time_zone: UTC }]",
        )],
    ),
    (
        "a night in one window",
        &[(
            "guards:",
            "guards:\n  windows: [{ days: [mon], from: 17:00, until: «09:00, time_zone: UTC }]",
        )],
    ),
    (
        "a window of no length",
        &[(
            "guards:",
            "guards:\n  windows: [{ days: [mon], from: 09:00, until: «09:00, time_zone: UTC }]",
        )],
    ),
    (
        "a zone that is none",
        &[(
            "guards:",
            "guards:\n  windows: [{ days: [mon], from: 09:00, until: 17:00, time_zone: «CEST }]",
        )],
    ),
    (
        "windows and any time",
        &[(
            "guards:",
            "guards:\n  any_time: «true\n  windows: [{ days: [mon], from: 09:00, until: 17:00, time_zone: UTC }]",
        )],
    ),
    (
        "any time that is no yes or no",
        &[("guards:", "guards:\n  any_time: «always")],
    ),
];
