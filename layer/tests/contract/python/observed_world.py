"""What the test of counted calls does to the world: observed_world.py ACTION ARGUMENTS-AS-JSON (prints one JSON value)."""

import json
import sys
import time

import boto3
from boto3.dynamodb.conditions import Key
from boto3.dynamodb.types import TypeSerializer

dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")


def table(name, *keys):
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ["HASH", "RANGE"])],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
    )


def prepare():
    """The table of the layer, and what the function needs."""
    table("inoculate", "PK", "SK")
    table("orders", "k")
    dynamodb.put_item(TableName="orders", Item={"k": {"S": "x"}})
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="bucket", Key="x", Body=b"x" * 100_000)


def lease(attributes):
    """Gives the function to a run for five minutes."""
    item = attributes | {
        "PK": f"TARGET#{attributes['function_arn']}",
        "SK": "LEASE",
        "expires_at_ms": int(time.time() * 1000) + 300_000,
    }
    serialize = TypeSerializer().serialize
    dynamodb.put_item(TableName="inoculate", Item={name: serialize(value) for name, value in item.items()})


def sketches(run_id):
    """What the layer wrote for a run, by stage."""
    found = {}
    for shard in range(16):
        condition = Key("PK").eq(f"RUN#{run_id}#SKETCH#{shard}")
        query = boto3.resource("dynamodb").Table("inoculate").query
        for item in query(KeyConditionExpression=condition, ConsistentRead=True)["Items"]:
            found[item["stage"]] = item
    return json.loads(json.dumps(found, default=int))


print(json.dumps(globals()[sys.argv[1]](**json.loads(sys.argv[2]))))
