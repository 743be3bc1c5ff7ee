//! An experiment that is right, and every way in which it may be made wrong.

/// Valid: the cases start from here.
pub(crate) const VALID: &str = r#"
# A comment.
name: payments-throttled
hypothesis: Orders go on when payments is throttled.
blast_radius:
  functions: [shop-payments]
  percent: 100
  longest: 30s
windows:
  baseline: 30s
  round: 5s
  recovery: 25s
faults:
  - kind: reserved_concurrency
    function: shop-payments
    executions: 0
steady_state:
  - name: failures
    unit: percent
    period: 5s
    metrics:
      placed: { namespace: Shop, name: OrdersPlaced, statistic: Sum, dimensions: { Service: checkout } }
      failed: { namespace: Shop, name: OrdersFailed, statistic: Sum, dimensions: { Service: checkout } }
    expression: 100 * failed / placed
    tolerance:
      at_most: 1
  - name: latency
    period: 5s
    metric:
      namespace: Shop
      name: CheckoutLatency
      statistic: p99
    tolerance: { at_most: 1500, rise_at_most_percent: 50 }
guards:
  alarms: [shop-on-fire]
"#;

/// What a case replaces in [`VALID`], with `«` where a mistake is expected.
pub(crate) type Edits = &'static [(&'static str, &'static str)];

pub(crate) const BAD_FIELDS: &[(&str, Edits)] = &[
    (
        "unknown field, nearly right",
        &[("  percent: 100", "  «percant: 100\n  percent: 100")],
    ),
    (
        "field that is misspelt is also missing",
        &[("  percent: 100", "  «percant: 100"), ("blast_radius", "«blast_radius")],
    ),
    ("unknown field, nothing like it", &[("unit: percent", "«colour: red")]),
    ("unknown field with a group in it", &[("guards:", "«guard:")]),
    (
        "unknown field in a metric",
        &[("      statistic: p99", "      statistic: p99\n      «statistics: p50")],
    ),
    (
        "unknown field of a fault",
        &[("    executions: 0", "    executions: 0\n    «percent: 10")],
    ),
    (
        "missing target",
        &[("  - kind", "  - «kind"), ("    function: shop-payments\n", "")],
    ),
    ("missing window", &[("windows:\n  baseline: 30s", "«windows:")]),
    (
        "missing field at the top",
        &[
            ("name: payments-throttled", "«hypothesis: x"),
            ("hypothesis: Orders go on when payments is throttled.\n", ""),
        ],
    ),
    (
        "missing tolerance",
        &[
            ("- name: failures", "- «name: failures"),
            ("    tolerance:\n      at_most: 1\n", ""),
        ],
    ),
    (
        "field written twice",
        &[("  longest: 30s", "  longest: 30s\n  «longest: 6h")],
    ),
    (
        "field written twice, with a group in it",
        &[("guards:", "«windows:\n  baseline: 1s\nguards:")],
    ),
];

pub(crate) const BAD_VALUES: &[(&str, Edits)] = &[
    (
        "unit that does not exist",
        &[("baseline: 30s", "baseline: «30 parsecs")],
    ),
    ("no unit", &[("baseline: 30s", "baseline: «30")]),
    (
        "end of an injection that does not exist",
        &[(
            "alarms: [shop-on-fire]",
            "alarms: [shop-on-fire]\n  stop_on: «sometimes\n  stop_when: «upheld",
        )],
    ),
    ("two units", &[("baseline: 30s", "baseline: «1m30s")]),
    ("zero window", &[("recovery: 25s", "recovery: «0s")]),
    ("negative window", &[("recovery: 25s", "recovery: «-5s")]),
    ("percent over 100", &[("percent: 100", "percent: «150")]),
    ("percent under 0", &[("percent: 100", "percent: «-1")]),
    ("percent with its sign", &[("percent: 100", "percent: «100%")]),
    ("no value", &[("      at_most: 1\n", "      «at_most:\n")]),
    (
        "no value for a group",
        &[("    tolerance:\n      at_most: 1\n", "    «tolerance:\n")],
    ),
    ("text for a number", &[("executions: 0", "executions: «none")]),
    ("fraction for a whole number", &[("executions: 0", "executions: «0.5")]),
    ("number for a name", &[("name: payments-throttled", "name: «2024")]),
    (
        "true for a text",
        &[
            (
                "hypothesis: Orders go on when payments is throttled.",
                "hypothesis: «yes\nguards: {}",
            ),
            ("hypothesis: «yes", "hypothesis: «true"),
            ("guards:\n  alarms: [shop-on-fire]\n", ""),
        ],
    ),
    (
        "empty text",
        &[(
            "hypothesis: Orders go on when payments is throttled.",
            "hypothesis: «\"\"",
        )],
    ),
    (
        "name with a space",
        &[("name: payments-throttled", "name: «payments throttled")],
    ),
    (
        "ARN for a function",
        &[(
            "functions: [shop-payments]",
            "functions: [«arn:aws:lambda:eu-west-1:123456789012:function:shop-payments]",
        )],
    ),
    (
        "text for a list",
        &[("functions: [shop-payments]", "functions: «shop-payments")],
    ),
    ("list for a text", &[("name: payments-throttled", "«name: [payments]")]),
    (
        "text for a group",
        &[(
            "windows:\n  baseline: 30s\n  round: 5s\n  recovery: 25s",
            "windows: «30s",
        )],
    ),
    ("empty list", &[("functions: [shop-payments]", "«functions: []")]),
    (
        "empty list of faults",
        &[(
            "faults:\n  - kind: reserved_concurrency\n    function: shop-payments\n    executions: 0",
            "«faults: []",
        )],
    ),
    (
        "empty group",
        &[("    tolerance:\n      at_most: 1\n", "    «tolerance: {}\n")],
    ),
    (
        "statistic that does not exist",
        &[("statistic: p99", "statistic: «P99")],
    ),
    (
        "statistic with a mistake in it",
        &[("statistic: p99", "statistic: «Avarage")],
    ),
    (
        "negative rise",
        &[("rise_at_most_percent: 50", "rise_at_most_percent: «-50")],
    ),
    ("too few points", &[("unit: percent", "min_points: «1")]),
];

pub(crate) const BAD_FAULTS: &[(&str, Edits)] = &[
    (
        "unknown kind, nearly right",
        &[("kind: reserved_concurrency", "kind: «reserved_concurency")],
    ),
    (
        "unknown kind, nothing like it",
        &[("kind: reserved_concurrency", "kind: «meteorite")],
    ),
    (
        "missing kind",
        &[("- kind: reserved_concurrency\n    function", "- «function")],
    ),
    ("kind without a value", &[("kind: reserved_concurrency", "«kind:")]),
    (
        "text for a fault",
        &[(
            "  - kind: reserved_concurrency\n    function: shop-payments\n    executions: 0",
            "  - «throttle shop-payments",
        )],
    ),
    (
        "parameter of another kind",
        &[
            ("- kind: reserved_concurrency", "- «kind: timeout"),
            ("executions: 0", "«executions: 0"),
        ],
    ),
    (
        "timeout longer than Lambda allows",
        &[
            ("kind: reserved_concurrency", "kind: timeout"),
            ("executions: 0", "timeout: «16m"),
        ],
    ),
    (
        "memory below what Lambda allows",
        &[
            ("kind: reserved_concurrency", "kind: memory"),
            ("executions: 0", "memory_mb: «64"),
        ],
    ),
    (
        "source that is not an ARN",
        &[
            ("kind: reserved_concurrency", "kind: event_source_disabled"),
            ("executions: 0", "source: «orders-queue"),
        ],
    ),
    (
        "fault outside of the blast radius",
        &[
            ("    function: shop-payments", "    function: «shop-checkout"),
            ("functions: [shop-payments]", "functions: [«shop-payments]"),
        ],
    ),
    (
        "fault in a function with a mistake in its name",
        &[
            ("    function: shop-payments", "    function: «shop-paymets"),
            ("functions: [shop-payments]", "functions: [«shop-payments]"),
        ],
    ),
    (
        "function that no fault touches",
        &[("[shop-payments]", "[shop-payments, «shop-checkout]")],
    ),
    (
        "function listed twice",
        &[("[shop-payments]", "[shop-payments, «shop-payments]")],
    ),
    (
        "fault given twice",
        &[(
            "    executions: 0",
            "    executions: 0\n  - «kind: reserved_concurrency\n    function: shop-payments\n    executions: 5",
        )],
    ),
    (
        "control-plane fault for some requests",
        &[("percent: 100", "percent: «10")],
    ),
];

pub(crate) const BAD_FIT: &[(&str, Edits)] = &[
    ("round longer than the injection", &[("round: 5s", "round: «31s")]),
    (
        "too many rounds",
        &[("longest: 30s", "longest: 1001s"), ("round: 5s", "round: «1s")],
    ),
    (
        "run too long",
        &[("windows:", "«windows:"), ("recovery: 25s", "recovery: 6h")],
    ),
    (
        "windows too short",
        &[
            ("baseline: 30s", "baseline: «10s"),
            ("longest: 30s", "longest: «10s"),
            ("period: 5s\n    metric:", "period: 1s\n    metric:"),
        ],
    ),
    (
        "period of 7 seconds",
        &[("period: 5s\n    metric:", "period: «7s\n    metric:")],
    ),
    (
        "measure without a metric",
        &[
            ("- name: latency", "- «name: latency"),
            (
                "    metric:\n      namespace: Shop\n      name: CheckoutLatency\n      statistic: p99\n",
                "",
            ),
        ],
    ),
    (
        "metric and metrics both",
        &[
            ("- name: failures", "- «name: failures"),
            (
                "    unit: percent",
                "    metric: { namespace: Shop, name: OrdersPlaced, statistic: Sum }",
            ),
        ],
    ),
    (
        "expression without metrics",
        &[
            ("- name: latency", "- «name: latency"),
            (
                "    metric:\n      namespace: Shop\n      name: CheckoutLatency\n      statistic: p99\n",
                "    expression: a + b\n",
            ),
        ],
    ),
    (
        "metrics without an expression",
        &[
            ("- name: failures", "- «name: failures"),
            ("    expression: 100 * failed / placed\n", ""),
        ],
    ),
    (
        "expression with unknown ids",
        &[(
            "expression: 100 * failed / placed",
            "expression: «100 * failed / (placed + lost + found)",
        )],
    ),
    (
        "metric that the expression does not use",
        &[
            ("expression: 100 * failed / placed", "expression: failed"),
            ("placed: {", "«placed: {"),
        ],
    ),
    (
        "expression that calls a function",
        &[(
            "expression: 100 * failed / placed",
            "expression: «failed / placed + LAMBDA (\"shop-payments\")",
        )],
    ),
    ("id with a capital", &[("placed: {", "«Placed: {"), ("/ placed", "/ 2")]),
    ("two measures of one name", &[("- name: latency", "- name: «failures")]),
    (
        "limits that exclude each other",
        &[(
            "    tolerance:\n      at_most: 1",
            "    «tolerance:\n      at_most: 1\n      at_least: 2",
        )],
    ),
];

pub(crate) const BAD_TEXT: &[(&str, Edits)] = &[
    ("tab", &[("  percent: 100", "\t«percent: 100")]),
    (
        "quote that never ends",
        &[("functions: [shop-payments]", "functions: [«\"shop-payments]")],
    ),
    (
        "anchor",
        &[("name: payments-throttled", "name: &x «payments-throttled")],
    ),
    (
        "anchor and alias",
        &[
            ("baseline: 30s", "baseline: &x «30s"),
            ("recovery: 25s", "recovery: «*x"),
        ],
    ),
    ("alias of nothing", &[("recovery: 25s", "recovery: «*x")]),
    (
        "tag",
        &[("name: payments-throttled", "name: !!str «payments-throttled")],
    ),
    ("list as a field name", &[("guards:", "«[a]: b\nguards:")]),
    ("second document", &[("guards:", "«---\nguards:")]),
];

pub(crate) const BAD_TOGETHER: &[(&str, Edits)] = &[
    (
        "one in the structure, one in a reference, one in a sum",
        &[
            ("percent: 100", "percent: «lots"),
            ("expression: 100 * failed / placed", "expression: «100 * failed / place"),
            ("placed: {", "«placed: {"),
            ("- name: latency", "- name: «failures"),
        ],
    ),
    (
        "one in each part",
        &[
            ("name: payments-throttled", "name: «payments throttled"),
            ("  longest: 30s", "  longest: «30"),
            ("  round: 5s", "  «rounds: 5s"),
            ("kind: reserved_concurrency", "kind: «throttle"),
            ("      statistic: p99", "      statistic: «median"),
            ("alarms: [shop-on-fire]", "alarms: «shop-on-fire"),
        ],
    ),
    (
        "written twice, and wrong elsewhere",
        &[
            ("name: payments-throttled", "name: a\n«name: b"),
            ("recovery: 25s", "recovery: «soon"),
        ],
    ),
];

/// A valid experiment of the layer, from [`VALID`].
const LATENCY: (&str, &str) = (
    "  - kind: reserved_concurrency\n    function: shop-payments\n    executions: 0",
    "  - kind: latency\n    function: shop-payments\n    delay: 1s",
);
const HALF: (&str, &str) = ("  percent: 100", "  percent: 50\n  key: /order_id");
const BY_LAYER: (&str, &str) = (
    "    metric:\n      namespace: Shop\n      name: CheckoutLatency\n      statistic: p99\n    tolerance: { at_most: 1500, rise_at_most_percent: 50 }",
    "    layer: { function: shop-checkout, statistic: p99 }\n    tolerance: { at_most: 1500, above_control_at_most: 50 }",
);

/// A fault of calls, from [`VALID`].
const CALLS: (&str, &str) = (
    "  - kind: reserved_concurrency\n    function: shop-payments\n    executions: 0",
    "  - kind: dependency\n    function: shop-payments\n    calls: { service: dynamodb, resources: [orders] }\n    effect: { kind: error, code: RequestLimitExceeded }",
);

/// Right as they are.
pub(crate) const GOOD_LAYER: &[(&str, Edits)] = &[
    ("latency for half of the requests", &[LATENCY, HALF, BY_LAYER]),
    ("nobody meets it", &[LATENCY, ("percent: 100", "percent: 0")]),
    ("calls that fail, for half of the requests", &[CALLS, HALF, BY_LAYER]),
    (
        "a region that is lost",
        &[
            CALLS,
            ("service: dynamodb, resources: [orders]", "region: us-east-1"),
            ("kind: error, code: RequestLimitExceeded", "kind: hang"),
        ],
    ),
    (
        "hosts that are slow",
        &[
            CALLS,
            ("service: dynamodb, resources: [orders]", "host: '*.example.com:8443'"),
            (
                "kind: error, code: RequestLimitExceeded",
                "kind: bandwidth, bytes_per_second: 1000",
            ),
        ],
    ),
    (
        "some calls that are late",
        &[
            CALLS,
            ("[orders]", "[orders], operations: [GetItem], percent: 12.5"),
            (
                "kind: error, code: RequestLimitExceeded",
                "kind: latency, delay: 2s, jitter: 1s",
            ),
        ],
    ),
    (
        "jitter and conditions",
        &[
            LATENCY,
            (
                "delay: 1s",
                "delay: 250ms\n    jitter: 50ms\n    distribution: normal\n    match: [{ field: /a, equals: 1 }, { field: /b, prefix: x }, { field: /c, exists: true }, { field: /d, regex: '^x+$' }]",
            ),
        ],
    ),
    (
        "two faults that go together",
        &[
            LATENCY,
            (
                "delay: 1s",
                "delay: 1s\n  - kind: error\n    function: shop-payments\n    error_type: Busy",
            ),
        ],
    ),
];

pub(crate) const BAD_LAYER: &[(&str, Edits)] = &[
    (
        "calls of a service that is not known",
        &[CALLS, ("service: dynamodb", "service: «dynamo")],
    ),
    (
        "calls by a field that is not known",
        &[CALLS, ("resources:", "«tables:")],
    ),
    (
        "calls to a host with a path",
        &[
            CALLS,
            (
                "service: dynamodb, resources: [orders]",
                "host: «https://api.example.com/pay",
            ),
        ],
    ),
    (
        "an effect that no host has",
        &[
            CALLS,
            ("- kind: dependency", "- «kind: dependency"),
            ("service: dynamodb, resources: [orders]", "host: api.example.com"),
        ],
    ),
    (
        "calls to everybody",
        &[
            CALLS,
            ("- kind: dependency", "- «kind: dependency"),
            ("service: dynamodb, resources: [orders]", "percent: 50"),
        ],
    ),
    (
        "an effect that is not known",
        &[CALLS, ("kind: error, code", "kind: «fail, code")],
    ),
    (
        "an error that the service does not have",
        &[
            CALLS,
            ("- kind: dependency", "- «kind: dependency"),
            ("RequestLimitExceeded", "SlowDown"),
        ],
    ),
    (
        "an error without a code",
        &[
            CALLS,
            (
                "effect: { kind: error, code: RequestLimitExceeded }",
                "«effect: { kind: error }",
            ),
        ],
    ),
    (
        "a late call with more jitter than delay",
        &[
            CALLS,
            (
                "kind: error, code: RequestLimitExceeded",
                "kind: latency, delay: 1s, jitter: «2s",
            ),
        ],
    ),
    (
        "no percent of the calls",
        &[
            CALLS,
            ("- kind: dependency", "- «kind: dependency"),
            ("[orders]", "[orders], percent: 0"),
        ],
    ),
    ("delay without a unit", &[LATENCY, ("delay: 1s", "delay: «1000")]),
    (
        "delay longer than Lambda allows",
        &[LATENCY, ("delay: 1s", "delay: «16m")],
    ),
    (
        "jitter over the delay",
        &[LATENCY, ("delay: 1s", "delay: 1s\n    jitter: «2s")],
    ),
    (
        "a word that is not known",
        &[LATENCY, ("delay: 1s", "delay: 1s\n    at: «befor")],
    ),
    (
        "key that is no pointer",
        &[LATENCY, ("percent: 100", "percent: 50\n  key: «order_id")],
    ),
    (
        "conditions that cannot be tested",
        &[
            LATENCY,
            (
                "delay: 1s",
                "delay: 1s\n    match:\n      - «field: /a\n      - «field: /b\n        equals: 1\n        prefix: x\n      - «field: /c\n        exists: false\n      - «field: /d\n        regex: '('",
            ),
        ],
    ),
    (
        "two faults that exclude each other",
        &[
            LATENCY,
            ("- kind: latency", "- «kind: latency"),
            (
                "delay: 1s",
                "delay: 1s\n  - kind: hang\n    function: shop-payments\n  - kind: crash\n    function: shop-payments",
            ),
        ],
    ),
    (
        "a setting beside a fault for some requests",
        &[
            ("  percent: 100", "  percent: «50"),
            (
                "executions: 0",
                "executions: 0\n  - kind: hang\n    function: shop-payments",
            ),
        ],
    ),
    (
        "pressure for longer than Lambda allows",
        &[(
            "  - kind: reserved_concurrency\n    function: shop-payments\n    executions: 0",
            "  - kind: cpu_pressure\n    function: shop-payments\n    threads: 2\n    longest: «16m",
        )],
    ),
    (
        "statistic of the layer with a mistake in it",
        &[
            LATENCY,
            HALF,
            BY_LAYER,
            ("shop-checkout, statistic: p99", "shop-checkout, statistic: «eror_rate"),
        ],
    ),
    (
        "statistic that the layer does not have",
        &[
            LATENCY,
            HALF,
            BY_LAYER,
            ("statistic: p99 }\n    tolerance", "statistic: «p100 }\n    tolerance"),
        ],
    ),
    (
        "layer and metric both",
        &[
            LATENCY,
            HALF,
            BY_LAYER,
            ("- name: latency", "- «name: latency"),
            (
                "    layer:",
                "    metric: { namespace: Shop, name: OrdersPlaced, statistic: Sum }\n    layer:",
            ),
        ],
    ),
    (
        "a metric against the control group",
        &[(
            "tolerance: { at_most: 1500,",
            "«tolerance: { above_control_at_most: 5, at_most: 1500,",
        )],
    ),
    (
        "no control group to compare with",
        &[
            LATENCY,
            BY_LAYER,
            ("tolerance: { at_most: 1500", "«tolerance: { at_most: 1500"),
        ],
    ),
    (
        "traffic against the control group",
        &[
            LATENCY,
            HALF,
            BY_LAYER,
            (
                "statistic: p99 }\n    tolerance: {",
                "statistic: requests_per_second }\n    «tolerance: {",
            ),
        ],
    ),
    (
        "baseline too short for the layer",
        &[
            LATENCY,
            HALF,
            BY_LAYER,
            ("  baseline: 30s", "  baseline: «14s"),
            ("    period: 5s\n    metrics:", "    period: 1s\n    metrics:"),
        ],
    ),
];
