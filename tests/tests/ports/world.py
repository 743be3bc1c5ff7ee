"""What the contract needs of the local stack beside the ports: `world.py ACTION JSON`. Prints JSON."""

import io
import json
import sys
import zipfile
from datetime import datetime, timezone

import boto3


ROLE = "contract"
MACHINE = "contract-waits"


def prepare(name, template):
    """A role, a topic, a group of schedules, a state machine and the table as infra/template.yaml says, so that the contract runs on the keys and indexes that are deployed."""
    from cfnlint.decode import cfn_yaml

    resources = cfn_yaml.load(template)["Resources"].values()
    [found] = [it["Properties"] for it in resources if it["Type"] == "AWS::DynamoDB::Table"]
    keep = ["BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes"]
    properties = json.loads(json.dumps({key: found[key] for key in keep if key in found}))
    boto3.client("dynamodb").create_table(TableName=name, **properties)
    lambdas = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [lambdas]}
    role = boto3.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    waiting = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}
    boto3.client("stepfunctions").create_state_machine(name=MACHINE, definition=json.dumps(waiting), roleArn=role)
    boto3.client("scheduler").create_schedule_group(Name=name)
    return boto3.client("sns").create_topic(Name=name)["TopicArn"]


def function(name, tag, source):
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        file.writestr(entry, "#!/bin/sh\n")
    client = boto3.client("lambda")
    made = client.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=boto3.client("iam").get_role(RoleName=ROLE)["Role"]["Arn"],
        Code={"ZipFile": code.getvalue()},
        Timeout=3,
        MemorySize=256,
        Tags=tags(tag),
    )
    if source is None:
        return {"arn": made["FunctionArn"]}
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    client.create_event_source_mapping(FunctionName=name, EventSourceArn=queue, Tags=tags(source["tag"]))
    return {"arn": made["FunctionArn"], "source": queue}


def tags(value):
    return {"inoculate": value} if value else {}


def execution(name, running):
    """An execution that waits for an hour, or was stopped."""
    client = boto3.client("stepfunctions")
    [machine] = [it["stateMachineArn"] for it in client.list_state_machines()["stateMachines"] if it["name"] == MACHINE]
    arn = client.start_execution(stateMachineArn=machine, name=name)["executionArn"]
    if not running:
        client.stop_execution(executionArn=arn)
    return arn


def listen(listener, topic):
    """A queue that gets what is published to the topic, and the events of Inoculate on the default bus."""
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url = sqs.create_queue(QueueName=listener)["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": queue}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy, "VisibilityTimeout": "0"})
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    events.put_rule(Name=listener, EventPattern=json.dumps({"source": ["inoculate"]}))
    events.put_targets(Rule=listener, Targets=[{"Id": "queue", "Arn": queue}])


def heard(listener):
    """What is in the queue. It stays there."""
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=listener)["QueueUrl"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def publish(metric, samples):
    dimensions = [{"Name": key, "Value": value} for key, value in metric["dimensions"].items()]
    data = [
        {
            "MetricName": metric["name"],
            "Dimensions": dimensions,
            "Timestamp": datetime.fromtimestamp(second, timezone.utc),
            "Value": value,
            "StorageResolution": 1,
        }
        for second, value in samples
    ]
    boto3.client("cloudwatch").put_metric_data(Namespace=metric["namespace"], MetricData=data)


def put(table, items):
    table = boto3.resource("dynamodb").Table(table)
    with table.batch_writer() as batch:
        for item in items:
            batch.put_item(Item=item)


def alarm(name, in_alarm):
    client = boto3.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=name,
        Namespace="Contract",
        MetricName=name,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    set_alarm(name, in_alarm)


def set_alarm(name, in_alarm):
    state = "ALARM" if in_alarm else "OK"
    boto3.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="set by a test")


def described(name):
    """An alarm as CloudWatch has it."""
    [found] = boto3.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return {key: value for key, value in found.items() if isinstance(value, (str, int, float, list))}


action, arguments = sys.argv[1:]
print(json.dumps(globals()[action](**json.loads(arguments))))
