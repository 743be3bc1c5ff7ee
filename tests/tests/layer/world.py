"""What the tests of the layer do to the world around it.

usage: world.py ACTION ARGUMENTS-AS-JSON   (prints one JSON value; `customers` goes on until it is ended)
"""

import io
import itertools
import json
import sys
import threading
import time
import urllib.request
import zipfile

import boto3
from boto3.dynamodb.types import TypeSerializer

TABLE = "inoculate"


def configure(functions, more):
    """Gives more variables to functions. Answers their ARNs."""
    client = boto3.client("lambda")
    arns = []
    for name in functions:
        configuration = client.get_function_configuration(FunctionName=name)
        variables = configuration["Environment"]["Variables"] | more
        client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        # A run is refused while a function is being updated.
        client.get_waiter("function_updated_v2").wait(FunctionName=name)
        arns.append(configuration["FunctionArn"])
    return arns


def lease(attributes):
    """Gives a function to a run for five minutes, as the orchestrator would."""
    item = attributes | {
        "PK": f"TARGET#{attributes['function_arn']}",
        "SK": "LEASE",
        "expires_at_ms": int(time.time() * 1000) + 300_000,
    }
    serialize = TypeSerializer().serialize
    boto3.client("dynamodb").put_item(TableName=TABLE, Item={name: serialize(value) for name, value in item.items()})


def role(function_arn):
    """What the holder of a function's lease may do."""
    key = {"PK": f"TARGET#{function_arn}", "SK": "LEASE"}
    return boto3.resource("dynamodb").Table(TABLE).get_item(Key=key, ConsistentRead=True)["Item"]["role"]


def sketches(run_id):
    """Everything that layers wrote for a run."""
    found = []
    for shard in range(16):
        key = {"PK": f"RUN#{run_id}#SKETCH#{shard}"}
        found += boto3.resource("dynamodb").Table(TABLE).query(
            KeyConditionExpression="PK = :pk", ExpressionAttributeValues={":pk": key["PK"]}, ConsistentRead=True
        )["Items"]
    return json.loads(json.dumps(found, default=float))


def log(function, text):
    """The log lines of a function that have this text."""
    events = boto3.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    lines = [line for event in events for line in event["message"].splitlines()]
    return [line for line in lines if text in line]


def published(layer):
    """What comes to be in /opt: each file, and its permissions."""
    location = boto3.client("lambda").get_layer_version_by_arn(Arn=layer)["Content"]["Location"]
    with urllib.request.urlopen(location) as answer, zipfile.ZipFile(io.BytesIO(answer.read())) as archive:
        return {entry.filename: oct(entry.external_attr >> 16) for entry in archive.infolist()}


def replica(table, region):
    """Makes the replica of a table in another region, which MiniStack leaves out."""
    made = boto3.client("dynamodb").describe_table(TableName=table)["Table"]
    boto3.client("dynamodb", region_name=region).create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=made["AttributeDefinitions"],
        KeySchema=made["KeySchema"],
    )


def revoke(role, policy):
    """Takes a managed policy from a role of the shop."""
    resource = boto3.client("cloudformation").describe_stack_resource(StackName="shop", LogicalResourceId=role)
    name = resource["StackResourceDetail"]["PhysicalResourceId"]
    attached = boto3.client("iam").list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    arn = next(found["PolicyArn"] for found in attached if found["PolicyName"] == policy)
    boto3.client("iam").detach_role_policy(RoleName=name, PolicyArn=arn)


def order(function, order_id):
    """Places one order. Answers what the function answers, also when that is an error."""
    event = {"order_id": order_id, "amount_cents": 1999, "customer": "ada"}
    answer = boto3.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def customers(function, count):
    """This many customers, each of whom places one order after the other."""
    numbers = itertools.count()
    client = boto3.client("lambda")

    def shop():
        while True:
            event = {"order_id": f"o-{next(numbers)}", "amount_cents": 1999, "customer": "ada"}
            client.invoke(FunctionName=function, Payload=json.dumps(event))
            time.sleep(0.02)

    threads = [threading.Thread(target=shop) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    action, arguments = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps(globals()[action](**arguments)))
