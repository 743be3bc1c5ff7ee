//! What the command line takes, and what it refuses.

use super::*;
use clap::{CommandFactory, error::ErrorKind};

fn parse(line: &str) -> Result<Cli, ErrorKind> {
    let words = std::iter::once("inoculate").chain(line.split_whitespace());
    Cli::try_parse_from(words).map_err(|error| error.kind())
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn options_of_every_command_may_stand_behind_it() {
    let cli = parse("list --stack chaos --region eu-west-1 --profile dev --json --limit 3").unwrap();
    assert_eq!(cli.global.stack, "chaos");
    assert_eq!(cli.global.region.as_deref(), Some("eu-west-1"));
    assert_eq!(cli.global.profile.as_deref(), Some("dev"));
    assert!(cli.global.json);
    assert!(matches!(cli.command, Command::List(ListArgs { limit: 3, .. })));
}

#[test]
fn a_command_to_type_reaches_the_same_stack() {
    let run = "r-1".parse().unwrap();
    let command = |line| parse(line).unwrap().global.command("abort", &run);
    assert_eq!(command("list"), "inoculate abort r-1");
    let line = "list --stack chaos --region eu-west-1";
    assert_eq!(command(line), "inoculate abort r-1 --stack chaos --region eu-west-1");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (line, kind) in [
        ("", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("frobnicate", ErrorKind::InvalidSubcommand),
        ("validate", ErrorKind::MissingRequiredArgument),
        ("run a.yaml --run-id a/b", ErrorKind::ValueValidation),
        ("run a.yaml --run-id", ErrorKind::InvalidValue),
        ("show a#b", ErrorKind::ValueValidation),
        ("list --limit 0", ErrorKind::ValueValidation),
        ("list --stack 1st", ErrorKind::ValueValidation),
        ("rollback r --timeout 5", ErrorKind::ValueValidation),
        ("halt", ErrorKind::MissingRequiredArgument),
        ("halt --reason=", ErrorKind::ValueValidation),
        ("resume r", ErrorKind::UnknownArgument),
        ("plan", ErrorKind::MissingRequiredArgument),
        ("plan a b", ErrorKind::UnknownArgument),
        ("attach", ErrorKind::MissingRequiredArgument),
        ("attach shop arn:aws:lambda", ErrorKind::ValueValidation),
        ("attach shop --force", ErrorKind::UnknownArgument),
        ("attach shop --dependencies dynamo", ErrorKind::ValueValidation),
        ("detach shop --timeout 5", ErrorKind::ValueValidation),
        ("doctor shop cart", ErrorKind::UnknownArgument),
        ("report", ErrorKind::MissingRequiredArgument),
        ("report r --format pdf", ErrorKind::InvalidValue),
        ("schedule add throttle", ErrorKind::MissingRequiredArgument),
        ("schedule add throttle --cron=* --rate=1", ErrorKind::ValueValidation),
        (
            "schedule add throttle --at 2026-12-01T10:00 --until 2026-12-31",
            ErrorKind::ArgumentConflict,
        ),
        (
            "schedule add throttle --at 2026-12-01T10:00 --timezone Mars",
            ErrorKind::ValueValidation,
        ),
        (
            "schedule add throttle --at 2026-12-01T10:00 --flexible 90s",
            ErrorKind::ValueValidation,
        ),
        (
            "schedule add throttle --at 2026-12-01T10:00 --flexible 25h",
            ErrorKind::ValueValidation,
        ),
        ("schedule add a/b --at 2026-12-01T10:00", ErrorKind::ValueValidation),
        ("schedule remove a/b", ErrorKind::ValueValidation),
        ("import", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("import gremlin a.json", ErrorKind::InvalidSubcommand),
        ("import chaostoolkit a.json --var b", ErrorKind::ValueValidation),
        (
            "import chaostoolkit a.json --event-source u=f",
            ErrorKind::ValueValidation,
        ),
        (
            "import chaostoolkit a.json --event-source u=f:1,arn:aws:sqs:x",
            ErrorKind::ValueValidation,
        ),
        ("export r", ErrorKind::MissingRequiredArgument),
        ("export r --format html", ErrorKind::InvalidValue),
        ("run a --wait --no-wait", ErrorKind::ArgumentConflict),
        ("run a --no-wait --junit a.xml", ErrorKind::ArgumentConflict),
        ("run a --no-wait --report a.md", ErrorKind::ArgumentConflict),
        ("run a --inconclusive-as failure", ErrorKind::MissingRequiredArgument),
        ("run a --junit a.xml --inconclusive-as success", ErrorKind::InvalidValue),
        ("list --status over", ErrorKind::InvalidValue),
        ("list --since yesterday", ErrorKind::ValueValidation),
        ("suite", ErrorKind::MissingRequiredArgument),
        ("suite a --parallel 0", ErrorKind::ValueValidation),
        ("suite a --dry-run --junit a.xml", ErrorKind::ArgumentConflict),
        ("completion tcsh", ErrorKind::InvalidValue),
        ("init --template latencies", ErrorKind::InvalidValue),
        (
            "init --template latency --function arn:aws:lambda",
            ErrorKind::ValueValidation,
        ),
        ("init --function shop", ErrorKind::MissingRequiredArgument),
        ("init latency.yaml", ErrorKind::MissingRequiredArgument),
    ] {
        assert_eq!(parse(line).unwrap_err(), kind, "{line}");
    }
}

/// As every command's, before it and after it.
#[test]
fn the_region_of_init_is_that_of_the_template() {
    for line in [
        "init --template regional-failover --region us-east-1",
        "--region us-east-1 init --template regional-failover",
    ] {
        let Command::Init(init) = parse(line).unwrap().command else {
            panic!("not init")
        };
        assert_eq!(init.region.as_deref(), Some("us-east-1"), "{line}");
    }
}

/// Shells complete the services, and nothing else is refused.
#[test]
fn a_dependency_may_be_a_service_or_a_host() {
    let line = "attach shop --dependencies dynamodb,api.example.com";
    let Command::Attach { dependencies, .. } = parse(line).unwrap().command else {
        panic!("not attach")
    };
    let names: Vec<String> = dependencies.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["dynamodb", "api.example.com"]);
}

#[test]
fn a_run_may_be_named_and_left_alone() {
    let cli = parse("run throttle --run-id release-42 --no-wait").unwrap();
    let Command::Run(args) = cli.command else {
        panic!("not run")
    };
    assert_eq!((args.experiment.as_str(), args.no_wait), ("throttle", true));
    assert_eq!(args.run_id.unwrap().as_str(), "release-42");
}

#[test]
fn help_is_short_and_tells_the_exit_codes() {
    insta::assert_snapshot!(Cli::command().render_help().to_string());
}
