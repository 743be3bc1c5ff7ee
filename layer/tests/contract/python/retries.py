"""Calls with boto3 that meet the same fault every time, in its retry modes. Prints the attempts of each and the pauses between
them, in seconds, as one JSON list. The pauses are noted and not made."""

import json
import sys
import types

import boto3
import botocore.config
import botocore.endpoint
import botocore.exceptions

pauses = []
botocore.endpoint.time = types.SimpleNamespace(sleep=pauses.append)

key = {"k": {"S": "x"}}
CALLS = {
    "dynamodb throttled": lambda of: of("dynamodb").get_item(TableName="table", Key=key),
    "dynamodb failed": lambda of: of("dynamodb").put_item(TableName="table", Item=key),
    "dynamodb refused": lambda of: of("dynamodb").describe_table(TableName="table"),
    "dynamodb condition": lambda of: of("dynamodb").delete_item(TableName="table", Key=key),
    "lambda throttled": lambda of: of("lambda").invoke(FunctionName="pay"),
    "s3 slow down": lambda of: of("s3").get_object(Bucket="bucket", Key="x"),
}


def attempts(mode, most, name):
    retries = {"mode": mode} | ({"total_max_attempts": most} if most else {})
    config = botocore.config.Config(retries=retries)
    sent = []

    def client(service):
        made = boto3.client(service, config=config)
        made.meta.events.register("before-send.*.*", lambda request, **_: sent.append(request.headers["amz-sdk-request"].decode()))
        return made

    pauses.clear()
    try:
        CALLS[name](client)
        raise SystemExit(f"{name} met no fault")
    except botocore.exceptions.ClientError as error:
        told = error.response["ResponseMetadata"]["RetryAttempts"] + 1
    except botocore.exceptions.HTTPClientError:
        told = None
    return {"mode": mode, "most": most, "call": name, "told": told, "sent": sent, "pauses": list(pauses)}


modes = [("legacy", None), ("standard", None), ("standard", 5)]
json.dump([attempts(mode, most, name) for mode, most in modes for name in CALLS], sys.stdout)
