"""What Chaos Toolkit says of experiments, journals, tolerances and texts: one JSON document in, one out."""

import builtins
import importlib
import inspect
import json
import logging
import sys

from chaoslib import substitute
from chaoslib.activity import ensure_activity_is_valid
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.hypothesis import within_tolerance
from chaoslib.loader import load_experiment

# Of `natural`, which the reports use, only a version that still asks for names of Python 2 comes as a wheel.
builtins.long, builtins.basestring = int, str
from chaosreport import generate_report, generate_report_header  # noqa: E402

logging.disable(logging.CRITICAL)


def mistake(check, *arguments):
    try:
        check(*arguments)
    except ChaosException as error:
        return f"{type(error).__name__}: {error}"


def experiment(path):
    return mistake(ensure_experiment_is_valid, load_experiment(path))


def journal(path):
    with open(path) as file:
        read = json.load(file)
    header = generate_report_header([path], "markdown")
    done = read["run"] + read["rollbacks"]
    return {
        "mistake": mistake(ensure_experiment_is_valid, read["experiment"])
        or next(filter(None, (mistake(ensure_activity_is_valid, one["activity"]) for one in done)), None),
        "report": header + generate_report(read, "markdown", {}, {}),
    }


def functions(module):
    found = importlib.import_module(module)
    return {name: parameters(getattr(found, name)) for name in found.__all__}


def parameters(function):
    """Each with its default; `...` where it has none."""
    every = inspect.signature(function).parameters
    given = {name: one.default for name, one in every.items() if name not in ("configuration", "secrets")}
    return {name: "..." if value is inspect.Parameter.empty else value for name, value in given.items()}


def within(tolerance, value):
    try:
        return bool(within_tolerance(tolerance, value))
    except Exception as error:  # whatever keeps Chaos Toolkit from telling
        return type(error).__name__


def main():
    with open(sys.argv[1]) as file:
        asked = json.load(file)
    values = asked["values"]
    print(json.dumps({
        "experiments": {path: experiment(path) for path in asked["experiments"]},
        "journals": {path: journal(path) for path in asked["journals"]},
        "functions": {module: functions(module) for module in asked["modules"]},
        "tolerances": [[within(tolerance, value) for value in values] for tolerance in asked["tolerances"]],
        "texts": [substitute(text, asked["configuration"], {}) for text in asked["texts"]],
    }))


main()
