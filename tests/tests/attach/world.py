"""What the tests of the command do to the local stack around it: `world.py ACTION JSON`. Prints JSON."""

import io
import json
import sys
import zipfile

import boto3


def prepare(stack):
    """What attaching needs of a deployed stack: the table, the layer and its policy."""
    keys = [("PK", "HASH"), ("SK", "RANGE"), ("list_pk", "HASH"), ("list_sk", "RANGE")]
    schema = [{"AttributeName": name, "KeyType": kind} for name, kind in keys]
    table = boto3.client("dynamodb").create_table(
        TableName=stack,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        KeySchema=schema[:2],
        GlobalSecondaryIndexes=[{"IndexName": "runs", "KeySchema": schema[2:], "Projection": {"ProjectionType": "ALL"}}],
    )["TableDescription"]["TableArn"]
    allow = {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Resource": table}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    policy = boto3.client("iam").create_policy(PolicyName=f"{stack}-layer", PolicyDocument=document)["Policy"]["Arn"]
    return {"layer": layer(f"{stack}-layer"), "policy": policy}


def layer(name):
    content = {"ZipFile": zipped("inoculate-exec", '#!/bin/sh\nexec "$@"\n')}
    client = boto3.client("lambda")
    made = client.publish_layer_version(LayerName=name, Content=content, CompatibleArchitectures=["x86_64"])
    return made["LayerVersionArn"]


def zipped(name, text):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(name, text)
    return content.getvalue()


def function(name, variables, layers=[], tag="allow", runtime="python3.12"):
    lambdas = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [lambdas]})
    role = boto3.client("iam").create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    client = boto3.client("lambda")
    client.create_function(
        FunctionName=name,
        Runtime=runtime,
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": zipped("index.py", "import os\n\n\ndef handler(event, context):\n    return os.environ['KEY']\n")},
        Layers=layers,
        Environment={"Variables": variables},
        Tags={"inoculate": tag} if tag else {},
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return configuration(name)


def configuration(name):
    """Everything of a function but when it was changed, and the policies of its role."""
    answer = boto3.client("lambda").get_function_configuration(FunctionName=name)
    for changing in ["ResponseMetadata", "LastModified", "RevisionId"]:
        del answer[changing]
    role = answer["Role"].rsplit("/", 1)[1]
    policies = boto3.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    return {"configuration": answer, "policies": policies}


def deploy(name, variables):
    """Somebody else changes the variables, as a deployment does."""
    client = boto3.client("lambda")
    client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def invoke(name):
    return json.loads(boto3.client("lambda").invoke(FunctionName=name)["Payload"].read())


def hold(table, function_arn, until_ms):
    """A run holds the function."""
    name = function_arn.rsplit(":", 1)[1]
    item = {"schema_version": 1, "function": name, "function_arn": function_arn, "run_id": "r-1", "fence": 1}
    item |= {"PK": f"TARGET#{function_arn}", "SK": "LEASE", "role": "observe", "expires_at_ms": until_ms}
    boto3.resource("dynamodb").Table(table).put_item(Item=item)


def items(table):
    return [item["SK"] for item in boto3.resource("dynamodb").Table(table).scan()["Items"]]


action, arguments = sys.argv[1:]
print(json.dumps(globals()[action](**json.loads(arguments))))
