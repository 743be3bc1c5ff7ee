//! Alarms that a run makes for itself, right and wrong. They stand in place of the alarm that [`VALID`](super::VALID) names.

use super::Edits;

const NAMED: &str = "  alarms: [shop-on-fire]";

pub(crate) const GOOD_ALARMS: &[(&str, Edits)] = &[
    (
        "as short as it can be",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: 10s\n      above: 5",
        )],
    ),
    (
        "everything that can be written",
        &[
            ("  longest: 30s", "  longest: 3m"),
            (
                "  alarms: [shop-on-fire]",
                "  alarms: [shop-on-fire]\n  abort_when:\n    - metric: { namespace: AWS/Lambda, name: Duration, statistic: p99.9, dimensions: { FunctionName: checkout } }\n      period: 1m\n      below: -0.5\n      points: 3 of 1440\n      missing_data: bad",
            ),
        ],
    ),
    (
        "both sides of one metric",
        &[(
            NAMED,
            "  abort_when:\n    - { metric: { namespace: Shop, name: Orders, statistic: Sum }, period: 30s, above: 5 }\n    - { metric: { namespace: Shop, name: Orders, statistic: Sum }, period: 30s, below: 1 }",
        )],
    ),
    ("none", &[(NAMED, "  abort_when: []")]),
];

pub(crate) const BAD_ALARMS: &[(&str, Edits)] = &[
    (
        "no limit",
        &[(
            NAMED,
            "  abort_when:\n    - «metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: 10s",
        )],
    ),
    (
        "two limits",
        &[(
            NAMED,
            "  abort_when:\n    - «metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: 10s\n      above: 5\n      below: 1",
        )],
    ),
    (
        "a limit that is no number",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: 10s\n      above: «.inf",
        )],
    ),
    (
        "a word of a tolerance",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: 10s\n      «at_most: 5",
        )],
    ),
    (
        "no metric",
        &[(NAMED, "  abort_when:\n    - «period: 10s\n      above: 5")],
    ),
    (
        "metric maths",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: 10s\n      above: 5\n      «expression: 100 * failed / placed",
        )],
    ),
    (
        "a statistic that is not known",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: Shop, name: OrdersFailed, statistic: «Total }\n      period: 10s\n      above: 5",
        )],
    ),
    (
        "a period that alarms do not have",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: «5s\n      above: 5",
        )],
    ),
    (
        "a period that AWS does not have",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: AWS/Lambda, name: Errors, statistic: Sum }\n      period: «10s\n      above: 5",
        )],
    ),
    (
        "points that are none",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: 10s\n      above: 5\n      points: «2/3",
        )],
    ),
    (
        "more bad points than points",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: 10s\n      above: 5\n      points: «3 of 2",
        )],
    ),
    (
        "looks back for more than a day",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: 10s\n      above: 5\n      points: «1 of 8641",
        )],
    ),
    (
        "could not fire while the faults are there",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: 10s\n      above: 5\n      points: «4 of 4",
        )],
    ),
    (
        "could not fire, with nothing but a period written",
        &[(
            NAMED,
            "  abort_when:\n    - «metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      above: 5",
        )],
    ),
    (
        "missing data that CloudWatch does not have",
        &[(
            NAMED,
            "  abort_when:\n    - metric: { namespace: Shop, name: OrdersFailed, statistic: Sum }\n      period: 10s\n      above: 5\n      missing_data: «breaching",
        )],
    ),
    (
        "missing data where AWS ignores it",
        &[
            ("  longest: 30s", "  longest: 3m"),
            (
                NAMED,
                "  abort_when:\n    - metric: { namespace: AWS/DynamoDB, name: ThrottledRequests, statistic: Sum }\n      above: 5\n      missing_data: «bad",
            ),
        ],
    ),
    (
        "the same twice",
        &[(
            NAMED,
            "  abort_when:\n    - { metric: { namespace: Shop, name: Orders, statistic: Sum }, period: 10s, above: 5 }\n    - «{ metric: { namespace: Shop, name: Orders, statistic: Sum }, period: 10s, above: 5.0 }",
        )],
    ),
    (
        "too many",
        &[(
            NAMED,
            "  «abort_when: [{ metric: { namespace: Shop, name: A, statistic: Sum }, period: 10s, above: 1 }, { metric: { namespace: Shop, name: A, statistic: Sum }, period: 10s, above: 2 }, { metric: { namespace: Shop, name: A, statistic: Sum }, period: 10s, above: 3 }, { metric: { namespace: Shop, name: A, statistic: Sum }, period: 10s, above: 4 }, { metric: { namespace: Shop, name: A, statistic: Sum }, period: 10s, above: 5 }, { metric: { namespace: Shop, name: A, statistic: Sum }, period: 10s, above: 6 }, { metric: { namespace: Shop, name: A, statistic: Sum }, period: 10s, above: 7 }, { metric: { namespace: Shop, name: A, statistic: Sum }, period: 10s, above: 8 }, { metric: { namespace: Shop, name: A, statistic: Sum }, period: 10s, above: 9 }, { metric: { namespace: Shop, name: A, statistic: Sum }, period: 10s, above: 10 }, { metric: { namespace: Shop, name: A, statistic: Sum }, period: 10s, above: 11 }]",
        )],
    ),
];
