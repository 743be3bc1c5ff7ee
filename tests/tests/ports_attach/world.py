"""What the contract of attaching needs of the local stack beside its port: `world.py ACTION JSON`. Prints JSON."""

import io
import json
import sys
import zipfile

import boto3


def prepare(table):
    """A table with the keys of infra/template.yaml."""
    keys = [("PK", "HASH"), ("SK", "RANGE")]
    made = boto3.client("dynamodb").create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
    )
    return made["TableDescription"]["TableArn"]


def zipped(name, text):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(name, text)
    return content.getvalue()


def function(name, role, tag, layers, variables):
    made = boto3.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="index.handler",
        Role=find_role(role),
        Code={"ZipFile": zipped("index.py", "def handler(event, context):\n    return event\n")},
        Layers=layers,
        Environment={"Variables": variables},
        Tags={"inoculate": tag} if tag else {},
    )
    return {"arn": made["FunctionArn"], "role": made["Role"]}


def find_role(name):
    """The ARN of a role with a path, so that its name is not all that follows `role/`."""
    client = boto3.client("iam")
    try:
        return client.get_role(RoleName=name)["Role"]["Arn"]
    except client.exceptions.NoSuchEntityException:
        lambdas = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [lambdas]})
        # MiniStack 1.5.33 cannot simulate a role that has a path.
        path = "/" if name.startswith("asked") else "/service/"
        return client.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust)["Role"]["Arn"]


def layer(name, architecture):
    content = {"ZipFile": zipped("inoculate-exec", "#!/bin/sh\n")}
    client = boto3.client("lambda")
    made = client.publish_layer_version(LayerName=name, Content=content, CompatibleArchitectures=[architecture])
    return made["LayerVersionArn"]


def policy(name, table_arn):
    allow = {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Resource": table_arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    return boto3.client("iam").create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]


def put(table, item):
    boto3.resource("dynamodb").Table(table).put_item(Item=item)


action, arguments = sys.argv[1:]
print(json.dumps(globals()[action](**json.loads(arguments))))
