"""What the whole-machine tests do to the world around Inoculate.

usage: world.py ACTION ARGUMENTS-AS-JSON   (prints one JSON value; `feed` goes on until it is ended)
"""

import io
import json
import sys
import time
import zipfile

import boto3

NAMESPACE = "Machine"


def package(text):
    """Code that is never run, so it does not matter what it says."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("bootstrap", f"#!/bin/sh\n{text}\n")
    return code.getvalue()


def function(name, tag="allow", timeout=30, memory=256, source=False, source_tag="allow", runtime="provided.al2023"):
    """A function to experiment on, ready for it. It is never invoked."""
    role = boto3.client("iam").create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client = boto3.client("lambda")
    tagged = lambda value: {"inoculate": value} if value else {}
    made = client.create_function(
        FunctionName=name, Runtime=runtime, Handler="bootstrap", Role=role, Code={"ZipFile": package("first")},
        Timeout=timeout, MemorySize=memory, Tags=tagged(tag),
    )
    # A run is refused while a function is being made.
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    source_arn = mapping = None
    if source:
        url = boto3.client("sqs").create_queue(QueueName=f"{name}-queue")["QueueUrl"]
        attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        source_arn = attributes["Attributes"]["QueueArn"]
        mapping = client.create_event_source_mapping(FunctionName=name, EventSourceArn=source_arn, Tags=tagged(source_tag))["UUID"]
        while client.get_event_source_mapping(UUID=mapping)["State"] != "Enabled":
            time.sleep(0.05)
    return {"arn": made["FunctionArn"], "source": source_arn, "mapping": mapping}


def tags(resource):
    """The tags of something of Lambda."""
    return boto3.client("lambda").list_tags(Resource=resource)["Tags"]


def topic(name):
    return boto3.client("sns").create_topic(Name=name)["TopicArn"]


def received(queue):
    """What is in a queue."""
    client = boto3.client("sqs")
    url = client.get_queue_url(QueueName=queue)["QueueUrl"]
    return [m["Body"] for m in client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])]


def settings(name, version="$LATEST"):
    """Everything of a function that a fault could change, and its code."""
    client = boto3.client("lambda")
    answer = client.get_function(FunctionName=name, Qualifier=version)
    configuration = answer["Configuration"]
    mappings = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    return {
        "timeout": configuration["Timeout"],
        "memory": configuration["MemorySize"],
        "concurrency": answer.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        "revision": configuration["RevisionId"],
        "code": configuration["CodeSha256"],
        "sources": sorted((mapping["EventSourceArn"], mapping["State"]) for mapping in mappings),
    }


def reserve(name, executions):
    """Somebody else changes the reserved concurrency."""
    boto3.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=executions)


def deploy(name, timeout=None, memory=None):
    """Somebody else deploys the function: new code, these settings, a new version."""
    client = boto3.client("lambda")
    changes = {"Timeout": timeout, "MemorySize": memory}
    client.update_function_configuration(FunctionName=name, **{key: value for key, value in changes.items() if value})
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    client.update_function_code(FunctionName=name, ZipFile=package("second"))
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    published = client.publish_version(FunctionName=name)
    return {"version": published["Version"], "code": published["CodeSha256"]}


def deny(role, action=None):
    """From now on the role may do nothing but write logs, or all but this one action."""
    what = {"Action": action} if action else {"NotAction": "logs:*"}
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Resource": "*"} | what]}
    boto3.client("iam").put_role_policy(RoleName=find_role(role), PolicyName="test-deny", PolicyDocument=json.dumps(policy))


def grant(role, action):
    """From now on the role may do this to anything."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": action}]}
    boto3.client("iam").put_role_policy(RoleName=find_role(role), PolicyName="test-grant", PolicyDocument=json.dumps(policy))


def allow(role):
    """Takes `deny` back."""
    boto3.client("iam").delete_role_policy(RoleName=find_role(role), PolicyName="test-deny")


def find_role(logical_id):
    pages = boto3.client("cloudformation").describe_stack_resource(StackName="inoculate", LogicalResourceId=logical_id)
    return pages["StackResourceDetail"]["PhysicalResourceId"]


def mute():
    """The event of a stopped execution leads nowhere."""
    boto3.client("events").disable_rule(Name="inoculate-stopped")


def alarm(name, state, topic=None):
    """An alarm in a state. With a topic, it tells that of it."""
    client = boto3.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=name, Namespace=NAMESPACE, MetricName="Alarm", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
        AlarmActions=[topic] if topic else [],
    )
    client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="set by the test")


def alarms(prefix):
    """The alarms whose names begin so, and what they tell of it."""
    found = boto3.client("cloudwatch").describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
    return [{"name": alarm["AlarmName"], "actions": alarm["AlarmActions"]} for alarm in found]


def alarm_event(name, state):
    """The event of an alarm, as CloudWatch sends it, from a source that may be used by everybody."""
    client, source = boto3.client("events"), "test.cloudwatch"
    rule = client.describe_rule(Name="inoculate-alarms")
    pattern = json.loads(rule["EventPattern"])
    if source not in pattern["source"]:
        pattern["source"].append(source)
        client.put_rule(Name=rule["Name"], EventPattern=json.dumps(pattern), State=rule["State"])
    detail = {"alarmName": name, "state": {"value": state, "reason": "told by the test"}}
    entry = {"Source": source, "DetailType": "CloudWatch Alarm State Change", "Detail": json.dumps(detail)}
    answer = client.put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0, answer


def fail_at(state):
    """From now on executions fail in this state, which waits: not a step, and nothing that a Catch would see."""
    client = boto3.client("stepfunctions")
    machines = client.list_state_machines()["stateMachines"]
    arn = next(m["stateMachineArn"] for m in machines if m["name"] == "inoculate-experiment")
    definition = json.loads(client.describe_state_machine(stateMachineArn=arn)["definition"])
    definition["States"][state]["Seconds"] = "{% $error('broken by the test') %}"
    client.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))


def configure(name, variables):
    """Environment variables of a function."""
    client = boto3.client("lambda")
    client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    client.get_waiter("function_updated_v2").wait(FunctionName=name)


def output(arn):
    """What an execution ended with: the output when it succeeded, else the error and its cause."""
    found = boto3.client("stepfunctions").describe_execution(executionArn=arn)
    return {"output": json.loads(found.get("output", "null")), "error": found.get("error"), "cause": found.get("cause")}


def logs(group):
    """The lines that a function has logged, without those of Lambda itself."""
    pages = boto3.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    lines = [event["message"] for page in pages for event in page["events"]]
    of_lambda = ("START RequestId:", "END RequestId:", "REPORT RequestId:", "INIT_START ")
    return [line for line in lines if not line.startswith(of_lambda)]


def dashboards():
    """The dashboards, by name."""
    client = boto3.client("cloudwatch")
    names = [entry["DashboardName"] for entry in client.list_dashboards()["DashboardEntries"]]
    return {name: json.loads(client.get_dashboard(DashboardName=name)["DashboardBody"]) for name in names}


def notify(topic, message):
    boto3.client("sns").publish(TopicArn=topic, Message=json.dumps(message))


def notices():
    """Listens to the notices topic with a queue of its own; makes it on first use."""
    queue = boto3.client("sqs").create_queue(QueueName="notices")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics = boto3.client("sns").list_topics()["Topics"]
    topic = next(t["TopicArn"] for t in topics if t["TopicArn"].endswith(":inoculate-notices"))
    allow_topic = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow_topic]})
    boto3.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    return [m["Body"] for m in boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])]


def events():
    """Listens to what Inoculate puts on the default bus, with a queue of its own; makes it on first use. Keeps what it heard."""
    queue = boto3.client("sqs").create_queue(QueueName="events", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("events").put_rule(Name="events", EventPattern=json.dumps({"source": ["inoculate"]}))
    boto3.client("events").put_targets(Rule="events", Targets=[{"Id": "queue", "Arn": arn}])
    messages = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def feed(name, behaviour):
    """Publishes the share of failed requests of a pretended system, several times a second.

    behaviour: "fragile" fails while the function is throttled, "sturdy" never fails, "broken" always does.
    """
    lambda_client, cloudwatch = boto3.client("lambda"), boto3.client("cloudwatch")
    while True:
        throttled = lambda_client.get_function(FunctionName=name).get("Concurrency", {}).get("ReservedConcurrentExecutions") == 0
        failed = {"fragile": throttled, "sturdy": False, "broken": True}[behaviour]
        cloudwatch.put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[{"MetricName": "Failed", "Dimensions": [{"Name": "System", "Value": name}], "Value": float(failed), "StorageResolution": 1}],
        )
        time.sleep(0.2)


if __name__ == "__main__":
    action, arguments = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps(globals()[action](**arguments)))
