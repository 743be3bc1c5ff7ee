"""Runs an experiment on the local stack, feeds the metrics it looks at, and prints what happened.

usage: run_cost.py STATE_MACHINE_ARN EXPERIMENT-AS-JSON

Prints {"status", "output", "events": [[TYPE, STATE], ...], "invocations": [[FUNCTION, BILLED_MS, MEMORY_MB], ...],
"log_bytes"}. Billed time is in the REPORT lines that Lambda writes; CloudWatch Logs bills each line with 26 bytes more.
"""

import json
import re
import sys
import time

import boto3

NAMESPACE = "Bench"
FEED_SECS = 0.5
STEPS = ["baseline", "inject", "observe", "evaluate", "rollback"]
LOG_LINE_OVERHEAD = 26
REPORT = re.compile(r"^REPORT .*\tBilled Duration: (\d+) ms\tMemory Size: (\d+) MB")


def run(states, machine, experiment):
    """Starts a run and feeds its metrics until it is over: a system that never minds."""
    cloudwatch = boto3.client("cloudwatch")
    started = states.start_execution(stateMachineArn=machine, input=json.dumps({"experiment": experiment}))
    while True:
        points = [
            {"MetricName": name, "Value": value, "StorageResolution": 1} for name, value in [("Failed", 0), ("Latency", 100)]
        ]
        cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=points)
        execution = states.describe_execution(executionArn=started["executionArn"])
        if execution["status"] != "RUNNING":
            return execution
        time.sleep(FEED_SECS)


def events(states, execution):
    pages = states.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
    for page in pages:
        for event in page["events"]:
            yield event["type"], event.get("stateEnteredEventDetails", {}).get("name", "")


def log_lines(step):
    """The lines of a step's log. Lambda writes them a moment after the answer, and the run is over with the last answer."""
    logs = boto3.client("logs")
    try:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/inoculate-{step}"):
            yield from (event["message"] for event in page["events"])
    except logs.exceptions.ResourceNotFoundException:
        return


def main(machine, experiment):
    states = boto3.client("stepfunctions")
    execution = run(states, machine, json.loads(experiment))
    time.sleep(1)
    lines = [(step, line) for step in STEPS for line in log_lines(step)]
    reports = [(step, REPORT.match(line)) for step, line in lines]
    print(
        json.dumps(
            {
                "status": execution["status"],
                "output": execution.get("output", execution.get("cause", "")),
                "events": list(events(states, execution)),
                "invocations": [[step, int(report[1]), int(report[2])] for step, report in reports if report],
                "log_bytes": sum(len(line.encode()) + LOG_LINE_OVERHEAD for _, line in lines),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
