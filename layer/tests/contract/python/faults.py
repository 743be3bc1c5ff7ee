"""Calls with boto3 that meet faults. Prints what boto3 makes of each, as one JSON object: those in the first argument, `errors` or
`connections`."""

import json
import sys
import time

import boto3
import botocore.config
import botocore.exceptions
import botocore.parsers

config = botocore.config.Config(
    retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=20
)
results = {}


def client(service, **more):
    return boto3.client(service, **({"config": config} | more))


def call(name, service, act, **more):
    of = client(service, **more)
    try:
        answer = act(of)
        answer.pop("ResponseMetadata")
        results[name] = {"answer": answer}
    except botocore.exceptions.ClientError as error:
        metadata = error.response["ResponseMetadata"]
        results[name] = {
            "class": type(error).__name__,
            "code": error.response["Error"]["Code"],
            "message": error.response["Error"].get("Message"),
            "reason": error.response.get("Reason"),
            "status": metadata["HTTPStatusCode"],
            "retries": metadata["RetryAttempts"],
        }
    except (botocore.exceptions.HTTPClientError, botocore.parsers.ResponseParserError) as error:
        results[name] = {"class": type(error).__name__}


key = {"k": {"S": "x"}}
puts = [{"PutRequest": {"Item": {"k": {"S": str(number)}}}} for number in range(4)]
machine = "arn:aws:states:eu-west-1:000000000000:stateMachine:pay"


def errors():
    call("dynamodb get", "dynamodb", lambda of: of.get_item(TableName="table", Key=key))
    call("dynamodb put", "dynamodb", lambda of: of.put_item(TableName="table", Item=key))
    call("dynamodb batch", "dynamodb", lambda of: of.batch_write_item(RequestItems={"table": puts}))
    call("dynamodb scan", "dynamodb", lambda of: {"Count": of.scan(TableName="table")["Count"], "ResponseMetadata": 0})
    call("lambda invoke", "lambda", lambda of: of.invoke(FunctionName="pay"))
    call("sqs list", "sqs", lambda of: of.list_queues())
    call("sqs send", "sqs", lambda of: of.send_message(QueueUrl="https://sqs.eu-west-1.amazonaws.com/1/q", MessageBody="x"))
    call("sns publish", "sns", lambda of: of.publish(TopicArn="arn:aws:sns:eu-west-1:000000000000:topic", Message="x"))
    call("s3 get", "s3", lambda of: of.get_object(Bucket="bucket", Key="x"))
    call("s3 head", "s3", lambda of: of.head_object(Bucket="bucket", Key="x"))
    call("cloudwatch put", "cloudwatch", lambda of: of.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1}]))
    call("stepfunctions start", "stepfunctions", lambda of: of.start_execution(stateMachineArn=machine))
    call("kms list", "kms", lambda of: of.list_keys())
    call("secretsmanager list", "secretsmanager", lambda of: of.list_secrets())
    call("ssm list", "ssm", lambda of: of.describe_parameters())
    call("ssm elsewhere", "ssm", lambda of: of.describe_parameters(), region_name="us-east-1")


# For what waits for ever.
impatient = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=0.5)


def connections():
    call("refused", "ssm", lambda of: of.describe_parameters())
    call("reset", "kms", lambda of: of.list_keys())
    call("truncated", "secretsmanager", lambda of: of.list_secrets())
    call("hung", "events", lambda of: of.list_event_buses(), config=impatient)
    start = time.monotonic()
    call("late", "lambda", lambda of: of.list_functions())
    results["late"]["waited"] = 1000 * (time.monotonic() - start)


{"errors": errors, "connections": connections}[sys.argv[1]]()
json.dump(results, sys.stdout)
