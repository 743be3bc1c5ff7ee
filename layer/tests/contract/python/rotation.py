"""Calls with boto3 while the credentials change: rotation.py HOW ARGUMENT. Prints the id of the key of each call and what
came of it. `address`: those that an address gives change when ARGUMENT is called. `sts`: the code takes the role ARGUMENT.
"""

import json
import sys
import urllib.request

import boto3
import botocore.exceptions

how, argument = sys.argv[1:]
results = []


def calls(session):
    """A few calls of one client, and a large one whose body has to be hashed."""
    for client, act in [
        (session.client("dynamodb"), lambda of: of.list_tables()),
        (session.client("s3"), lambda of: of.list_buckets()),
        (session.client("dynamodb"), lambda of: of.put_item(TableName="t", Item={"k": {"S": "x" * 300_000}})),
    ]:
        yield client, act


def call(client, act):
    keys = []
    client.meta.events.register("before-send", lambda request, **_: keys.append(request.headers["Authorization"]))
    try:
        status = act(client)["ResponseMetadata"]["HTTPStatusCode"]
    except botocore.exceptions.ClientError as error:
        # Whoever made it was let in: there is no such table.
        status = error.response["Error"]["Code"]
    key = keys[-1].decode() if isinstance(keys[-1], bytes) else keys[-1]
    results.append([key.split("Credential=")[1].split("/")[0], status])


before = list(calls(boto3.Session()))
for client, act in before:
    call(client, act)
if how == "address":
    # The same clients go on.
    urllib.request.urlopen(argument).close()
    after = before
else:
    given = boto3.client("sts").assume_role(RoleArn=argument, RoleSessionName="later")["Credentials"]
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    # Those from before go on beside the new ones.
    after = [*calls(session), before[0]]
for client, act in after:
    call(client, act)
json.dump(results, sys.stdout)
