"""What the tests run behind the layer with Python's Runtime API client."""

import os

calls = 0


def handle(event, context):
    global calls
    calls += 1
    if isinstance(event, dict) and "fail" in event:
        raise ValueError(event["fail"])
    return {
        "echo": event,
        "request_id": context.aws_request_id,
        "function_arn": context.invoked_function_arn,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "calls": calls,
    }
