"""A function, runtime and all: makes calls with boto3 in each invocation, and prints what boto3 says of them, a line for
each invocation. An invocation whose event says "naive" fails if its first call does.
"""

import json
import os
import time
import urllib.request

import boto3
import botocore.config
import botocore.exceptions

# Retries at once: nothing here is about how long they wait.
time.sleep = lambda _: None
config = botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 3})
dynamodb, s3 = (boto3.client(service, config=config) for service in ("dynamodb", "s3"))
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"


def call(act):
    """How many attempts were made, and how many of them failed."""
    try:
        attempts = act()["ResponseMetadata"]["RetryAttempts"] + 1
        return [attempts, attempts - 1, None]
    except botocore.exceptions.ClientError as error:
        attempts = error.response["ResponseMetadata"]["RetryAttempts"] + 1
        return [attempts, attempts, error.response["Error"]["Code"]]


def read():
    answer = s3.get_object(Bucket="bucket", Key="x")
    assert len(answer["Body"].read()) == 100_000
    return answer


def post(request_id, route, body):
    urllib.request.urlopen(urllib.request.Request(f"{api}/{request_id}/{route}", json.dumps(body).encode())).close()


while True:
    with urllib.request.urlopen(f"{api}/next") as answer:
        request_id, event = answer.headers["lambda-runtime-aws-request-id"], json.load(answer)
    key = {"k": {"S": "x"}}
    said = {
        "dynamodb GetItem": call(lambda: dynamodb.get_item(TableName="orders", Key=key)),
        "dynamodb Query": call(
            lambda: dynamodb.query(
                TableName="missing", KeyConditionExpression="k = :k", ExpressionAttributeValues={":k": {"S": "x"}}
            )
        ),
        "s3 GetObject": call(read),
    }
    if event.get("naive") and said["dynamodb GetItem"][1]:
        post(request_id, "error", {"errorType": "Failed", "errorMessage": ""})
    else:
        post(request_id, "response", {})
    print(json.dumps(said), flush=True)
