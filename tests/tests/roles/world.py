"""What the tests of the roles ask of the local stack.

usage: world.py ACTION ARGUMENTS-AS-JSON   (prints one JSON value)
"""

import io
import json
import sys
import uuid
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# How each service says no.
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError"}

# What a service says after it has let the request in: that it cannot be done just now, or that what it is about is not there.
LET_IN = {
    "ConditionalCheckFailedException", "TransactionCanceledException", "ExecutionDoesNotExist", "ResourceNotFoundException",
    "ResourceNotFound", "ResourceInUseException",
}


def scene(stack):
    """Neighbours of the stack, and roles that can be taken. Answers the ARNs of the roles and of the mappings."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    lambda_client, iam, dynamodb = boto3.client("lambda"), boto3.client("iam"), boto3.client("dynamodb")
    queue = boto3.client("sqs").create_queue(QueueName="another")["QueueUrl"]
    queue = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    role = iam.create_role(RoleName="another", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    mappings = {}
    for name, tags in [("tagged", {"inoculate": "allow"}), ("untagged", {})]:
        lambda_client.create_function(
            FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Role=role, Code={"ZipFile": code.getvalue()}, Tags=tags,
        )
        mapping = lambda_client.create_event_source_mapping(FunctionName=name, EventSourceArn=queue, Tags=tags)
        mappings[name] = mapping["EventSourceMappingArn"]
    # Stack tags spread to every resource.
    for function in lambda_client.list_functions()["Functions"]:
        if function["FunctionName"].startswith(f"{stack}-"):
            lambda_client.tag_resource(Resource=function["FunctionArn"], Tags={"inoculate": "allow"})
    key = lambda name, kind: {"AttributeName": name, "KeyType": kind}
    dynamodb.create_table(
        TableName="another", BillingMode="PAY_PER_REQUEST", KeySchema=[key("PK", "HASH"), key("SK", "RANGE")],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
    )
    boto3.client("sns").create_topic(Name="another")
    boto3.client("events").create_event_bus(Name="another")
    boto3.client("logs").create_log_group(logGroupName="another")
    machine = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    boto3.client("stepfunctions").create_state_machine(name="another", definition=json.dumps(machine), roleArn=role)
    for group in boto3.client("logs").describe_log_groups()["logGroups"]:
        boto3.client("logs").create_log_stream(logGroupName=group["logGroupName"], logStreamName="there")
    return {"roles": roles(stack), "mappings": mappings}


def roles(stack):
    """The roles of the stack, and one that has its policy for functions under test. Whoever has the account may take them."""
    iam = boto3.client("iam")
    trust = json.dumps({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    })
    found = {}
    resources = boto3.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    for resource in resources:
        name, identity = resource["LogicalResourceId"], resource["PhysicalResourceId"]
        if resource["ResourceType"] == "AWS::IAM::Role":
            iam.update_assume_role_policy(RoleName=identity, PolicyDocument=trust)
            found[name] = iam.get_role(RoleName=identity)["Role"]["Arn"]
        elif resource["ResourceType"] == "AWS::IAM::ManagedPolicy":
            found[name] = iam.create_role(RoleName=f"with-{name}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
            iam.attach_role_policy(RoleName=f"with-{name}", PolicyArn=identity)
    return found


def tried(roles, acts):
    """Tries every act as every role. Answers for each role and act: `denied`, `let in`, or `unknown` where there is no way to try."""
    return {name: [outcome(Role(arn), act) for act in acts] for name, arn in roles.items()}


def outcome(role, act):
    try:
        request = getattr(role, act["action"].replace(":", "_"), None)
        if request is None:
            return "unknown"
        request(act["resource"], *filter(None, [act["detail"]]))
        return "let in"
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return "denied" if code in DENIED else "let in" if code in LET_IN else f"{code}: {error}"


class Role:
    """One role, and how it does each action to a resource. Nothing is changed where that can be avoided."""

    sessions = {}

    def __init__(self, arn):
        if arn not in self.sessions:
            taken = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="tried")["Credentials"]
            session = boto3.Session(taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])
            self.sessions[arn] = (session, {})
        self.session, self.clients = self.sessions[arn]

    def client(self, name):
        if name not in self.clients:
            self.clients[name] = self.session.client(name, config=Config(retries={"total_max_attempts": 1}))
        return self.clients[name]

    # A condition that does not hold: what is let in changes nothing.
    def item(self, table, key):
        return {"TableName": table.split("/")[1], "Key": {"PK": {"S": key}, "SK": {"S": "none"}}}

    def dynamodb_GetItem(self, table, key):
        self.client("dynamodb").get_item(**self.item(table, key))

    def dynamodb_PutItem(self, table, key):
        item = self.item(table, key)
        self.client("dynamodb").put_item(TableName=item["TableName"], Item=item["Key"], ConditionExpression="attribute_exists(PK)")

    def dynamodb_UpdateItem(self, table, key):
        self.client("dynamodb").update_item(
            **self.item(table, key), UpdateExpression="REMOVE a", ConditionExpression="attribute_exists(PK)"
        )

    def dynamodb_ConditionCheckItem(self, table, key):
        check = self.item(table, key) | {"ConditionExpression": "attribute_exists(PK)"}
        self.client("dynamodb").transact_write_items(TransactItems=[{"ConditionCheck": check}])

    def dynamodb_Query(self, table, key=None):
        _, name, *index = table.split("/")
        index = {"IndexName": index[1]} if index else {}
        name_of_key = {"runs": "list_pk", "open": "open_pk"}[index["IndexName"]] if index else "PK"
        self.client("dynamodb").query(
            TableName=name, KeyConditionExpression=f"{name_of_key} = :key", ExpressionAttributeValues={":key": {"S": key or "RUN"}}, **index
        )

    def logs_CreateLogStream(self, group):
        self.client("logs").create_log_stream(logGroupName=group.split(":")[6], logStreamName=str(uuid.uuid4()))

    def logs_PutLogEvents(self, group):
        event = {"timestamp": 1, "message": "tried"}
        self.client("logs").put_log_events(logGroupName=group.split(":")[6], logStreamName="there", logEvents=[event])

    def logs_PutResourcePolicy(self, _):
        self.client("logs").put_resource_policy(policyName="tried", policyDocument='{"Version":"2012-10-17","Statement":[]}')

    def logs_DescribeResourcePolicies(self, _):
        self.client("logs").describe_resource_policies()

    def logs_DescribeLogGroups(self, _):
        self.client("logs").describe_log_groups()

    def lambda_GetFunction(self, function):
        self.client("lambda").get_function(FunctionName=function)

    def lambda_GetFunctionConfiguration(self, function):
        self.client("lambda").get_function_configuration(FunctionName=function)

    def lambda_ListTags(self, resource):
        self.client("lambda").list_tags(Resource=resource)

    def lambda_ListEventSourceMappings(self, _):
        self.client("lambda").list_event_source_mappings()

    def lambda_PutFunctionConcurrency(self, function):
        self.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)

    def lambda_DeleteFunctionConcurrency(self, function):
        self.client("lambda").delete_function_concurrency(FunctionName=function)

    def lambda_UpdateFunctionConfiguration(self, function):
        self.client("lambda").update_function_configuration(FunctionName=function, MemorySize=256)

    def lambda_UpdateEventSourceMapping(self, mapping):
        self.client("lambda").update_event_source_mapping(UUID=mapping.split(":")[-1], Enabled=True)

    def lambda_InvokeFunction(self, function):
        self.client("lambda").invoke(FunctionName=function, InvocationType="DryRun")

    def cloudwatch_DescribeAlarms(self, _):
        self.client("cloudwatch").describe_alarms()

    def cloudwatch_GetMetricData(self, _):
        self.client("cloudwatch").get_metric_data(MetricDataQueries=[], StartTime=0, EndTime=60)

    def cloudwatch_PutMetricAlarm(self, alarm, action):
        self.client("cloudwatch").put_metric_alarm(
            AlarmName=alarm.split(":")[6], Namespace="Tried", MetricName="Tried", Statistic="Sum", Period=60, EvaluationPeriods=1,
            Threshold=1, ComparisonOperator="GreaterThanThreshold", AlarmActions=[action],
        )

    def cloudwatch_DeleteAlarms(self, alarm):
        self.client("cloudwatch").delete_alarms(AlarmNames=[alarm.split(":")[6]])

    def sns_Publish(self, topic):
        self.client("sns").publish(TopicArn=topic, Message="tried")

    def sqs_SendMessage(self, queue):
        self.client("sqs").send_message(QueueUrl=f"{self.client('sqs').meta.endpoint_url}/{'/'.join(queue.split(':')[4:])}", MessageBody="tried")

    def states_StartExecution(self, machine):
        self.client("stepfunctions").start_execution(stateMachineArn=machine, input="{}")

    def states_DescribeExecution(self, execution):
        self.client("stepfunctions").describe_execution(executionArn=execution)

    def events_PutEvents(self, bus, source):
        entry = {"Source": source, "DetailType": "Tried", "Detail": "{}", "EventBusName": bus}
        self.client("events").put_events(Entries=[entry])

    def iam_SimulatePrincipalPolicy(self, role):
        self.client("iam").simulate_principal_policy(PolicySourceArn=role, ActionNames=["lambda:GetFunction"])


if __name__ == "__main__":
    action, arguments = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps(globals()[action](**arguments)))
