"""A broad list of calls with boto3, each with what came of it, as one JSON object on standard output.

What differs from one time to the next (names that the service makes up, times) is replaced by its type.
"""

import concurrent.futures
import hashlib
import io
import json
import sys
import urllib.error
import urllib.request
import zipfile

import boto3
import botocore.config
import botocore.exceptions

VOLATILE = {
    "MessageId", "RequestId", "ReceiptHandle", "VersionId", "KeyId", "ResponseMetadata", "EventId", "SequenceNumber",
    "ShardIterator", "NextShardIterator", "CiphertextBlob", "executionArn", "RevisionId", "CodeSha256", "SubscriptionArn",
    "UploadId", "HostId", "SecretAccessKey", "SessionToken", "AccessKeyId", "VersionIdsToStages", "AssumedRoleId",
    "MillisBehindLatest", "Owner", "KeyMaterialId", "UserId", "TableId",
}
CODE = "def handle(event, context):\n    if event.get('fail'):\n        raise ValueError('no')\n    return event\n"
results = {}


def plain(value, key=None):
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, dict):
        kept = {name: plain(inner, name) for name, inner in sorted(value.items()) if name != "ResponseMetadata"}
        return kept
    if key in VOLATILE or (key or "").lower().endswith("arn"):
        return type(value).__name__
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, str) and len(value) > 1000:
        value = value.encode()
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value)} {hashlib.sha256(value).hexdigest()}"
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return type(value).__name__


def call(name, act):
    """Notes what comes of a call. Returns the answer, or nothing if it failed."""
    try:
        answer = act()
    except botocore.exceptions.ClientError as error:
        metadata = error.response["ResponseMetadata"]
        results[name] = {
            "class": type(error).__name__,
            "error": plain(error.response["Error"]),
            "status": metadata["HTTPStatusCode"],
            "retries": metadata["RetryAttempts"],
        }
        return {}
    status = answer["ResponseMetadata"]["HTTPStatusCode"] if isinstance(answer, dict) else None
    results[name] = {"status": status, "answer": plain(answer)}
    return answer


def clients():
    config = botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 2})
    names = "dynamodb lambda sqs sns events secretsmanager ssm kinesis kms s3 sts stepfunctions cloudwatch".split()
    return {name: boto3.client(name, config=config) for name in names}


def dynamodb(client):
    keys = {
        "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
    }
    call("dynamodb create", lambda: client.create_table(TableName="table", BillingMode="PAY_PER_REQUEST", **keys))
    item = {"k": {"S": "schlüssel \U0001f511"}, "b": {"B": bytes(range(256))}, "n": {"N": "1.5"}, "l": {"L": [{"NULL": True}]}}
    call("dynamodb put", lambda: client.put_item(TableName="table", Item=item))
    call("dynamodb get", lambda: client.get_item(TableName="table", Key={"k": item["k"]}))
    large = {"k": {"S": "large"}, "v": {"S": "ö" * 199_000}}
    call("dynamodb put 400 KB", lambda: client.put_item(TableName="table", Item=large))
    call("dynamodb get 400 KB", lambda: client.get_item(TableName="table", Key={"k": large["k"]}))
    puts = [{"PutRequest": {"Item": {"k": {"S": f"b{number:02}"}}}} for number in range(25)]
    call("dynamodb batch write", lambda: client.batch_write_item(RequestItems={"table": puts}))
    gets = [{"k": {"S": f"b{number:02}"}} for number in range(3)]
    call("dynamodb batch get", lambda: len(client.batch_get_item(RequestItems={"table": {"Keys": gets}})["Responses"]["table"]))
    condition = {"ConditionExpression": "attribute_not_exists(k)"}
    call("dynamodb condition", lambda: client.put_item(TableName="table", Item=item, **condition))
    call("dynamodb no table", lambda: client.get_item(TableName="none", Key={"k": item["k"]}))
    pages = client.get_paginator("scan").paginate(TableName="table", PaginationConfig={"PageSize": 7})
    call("dynamodb pages", lambda: sorted(item["k"]["S"] for page in pages for item in page["Items"]))

    def one(number):
        key = {"k": {"S": f"c{number}"}}
        client.put_item(TableName="table", Item=key | {"v": {"N": str(number)}})
        return client.get_item(TableName="table", Key=key, ConsistentRead=True)["Item"]["v"]["N"]

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        call("dynamodb 100 at once", lambda: list(pool.map(one, range(100))))


def functions(client):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", CODE)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    definition = {"Runtime": "python3.12", "Handler": "index.handle", "Role": role}
    made = {"Code": {"ZipFile": packed.getvalue()}, **definition}
    results["lambda create"] = client.create_function(FunctionName="f", **made)["ResponseMetadata"]["HTTPStatusCode"]
    call("lambda invoke", lambda: client.invoke(FunctionName="f", Payload=json.dumps({"a": "ü"})))
    call("lambda invoke arn", lambda: client.invoke(FunctionName="arn:aws:lambda:eu-west-1:000000000000:function:f", Payload=b"{}"))
    call("lambda asynchronous", lambda: client.invoke(FunctionName="f", InvocationType="Event", Payload=b"{}"))
    call("lambda none", lambda: client.invoke(FunctionName="none"))
    call("lambda list", lambda: [found["FunctionName"] for found in client.list_functions()["Functions"]])


def messages(sqs, sns):
    url = call("sqs create", lambda: {"QueueUrl": None} | sqs.create_queue(QueueName="q"))["QueueUrl"]
    results["sqs create"] = None
    text = "nächricht <&> \U0001f4e8"
    call("sqs send", lambda: sqs.send_message(QueueUrl=url, MessageBody=text))
    entries = [{"Id": str(number), "MessageBody": text * number} for number in range(1, 4)]
    call("sqs batch", lambda: sqs.send_message_batch(QueueUrl=url, Entries=entries))
    received = lambda: sorted(found["Body"] for found in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"])
    call("sqs receive", received)
    call("sqs none", lambda: sqs.get_queue_url(QueueName="none"))
    topic = sns.create_topic(Name="topic")["TopicArn"]
    call("sns publish", lambda: sns.publish(TopicArn=topic, Message=text, Subject="a & b"))
    call("sns none", lambda: sns.publish(TopicArn=topic + "x", Message="x"))
    call("sns list", lambda: sns.list_topics())


def objects(client):
    place = {"LocationConstraint": "eu-west-1"}
    results["s3 create"] = client.create_bucket(Bucket="bucket", CreateBucketConfiguration=place)["ResponseMetadata"]["HTTPStatusCode"]
    key = "a b/ü+%/~(1)*'!.txt"
    call("s3 put", lambda: client.put_object(Bucket="bucket", Key=key, Body="inhält".encode(), Metadata={"x": "y"}))
    call("s3 get", lambda: client.get_object(Bucket="bucket", Key=key))
    call("s3 head", lambda: client.head_object(Bucket="bucket", Key=key))
    call("s3 range", lambda: client.get_object(Bucket="bucket", Key=key, Range="bytes=2-4"))
    large = bytes(number % 251 for number in range(3_000_000)) * 4
    call("s3 stream", lambda: client.put_object(Bucket="bucket", Key="stream", Body=io.BytesIO(large)))
    call("s3 multipart", lambda: client.upload_fileobj(io.BytesIO(large), "bucket", "large") or {"ResponseMetadata": {"HTTPStatusCode": 200}})
    call("s3 get large", lambda: client.get_object(Bucket="bucket", Key="large"))
    call("s3 list", lambda: [found["Key"] for found in client.list_objects_v2(Bucket="bucket", Prefix="")["Contents"]])
    call("s3 delete", lambda: client.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": key}]}))
    call("s3 none", lambda: client.get_object(Bucket="bucket", Key="none"))
    call("s3 head none", lambda: client.head_object(Bucket="bucket", Key="none"))


def subscribed(streams):
    """What comes first on a stream of events, as it comes."""
    arn = streams.describe_stream(StreamName="s")["StreamDescription"]["StreamARN"]
    consumer = streams.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    start = {"ConsumerARN": consumer, "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "TRIM_HORIZON"}}
    events = streams.subscribe_to_shard(**start)["EventStream"]
    records = (event["SubscribeToShardEvent"]["Records"] for event in events)
    # It may begin with events that have none.
    first = next(found for found in records if found)
    events.close()
    return [record["Data"] for record in first]


def the_rest(all_of):
    call("events put", lambda: all_of["events"].put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": "{}"}]))
    secrets, parameters = all_of["secretsmanager"], all_of["ssm"]
    call("secrets create", lambda: secrets.create_secret(Name="s", SecretString="gehëim"))
    call("secrets get", lambda: secrets.get_secret_value(SecretId="s"))
    call("secrets none", lambda: secrets.get_secret_value(SecretId="none"))
    call("ssm put", lambda: parameters.put_parameter(Name="/a/b", Value="wért", Type="String"))
    call("ssm get", lambda: parameters.get_parameter(Name="/a/b"))
    call("ssm none", lambda: parameters.get_parameter(Name="/none"))
    streams, keys = all_of["kinesis"], all_of["kms"]
    call("kinesis create", lambda: streams.create_stream(StreamName="s", ShardCount=1))
    call("kinesis put", lambda: streams.put_record(StreamName="s", Data=b"\x00\xff", PartitionKey="p"))
    call("kinesis subscribe", lambda: subscribed(streams))
    key = keys.create_key()["KeyMetadata"]["KeyId"]
    sealed = call("kms encrypt", lambda: keys.encrypt(KeyId=key, Plaintext=b"offen")).get("CiphertextBlob", b"")
    call("kms decrypt", lambda: keys.decrypt(CiphertextBlob=sealed))
    call("sts who", lambda: all_of["sts"].get_caller_identity())
    call("sfn list", lambda: all_of["stepfunctions"].list_state_machines())
    call("sfn none", lambda: all_of["stepfunctions"].describe_execution(executionArn="arn:aws:states:eu-west-1:000000000000:execution:a:b"))
    metrics = all_of["cloudwatch"]
    call("cloudwatch put", lambda: metrics.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.5}]))
    call("cloudwatch list", lambda: metrics.list_metrics(Namespace="n"))


def another_role(sts):
    """Calls with credentials that the function got from STS."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam = boto3.client("iam")
    role = iam.create_role(RoleName="other", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="other", PolicyName="dynamodb", PolicyDocument=policy)
    given = sts.assume_role(RoleArn=role, RoleSessionName="other")["Credentials"]
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    call("another role", lambda: boto3.client("dynamodb", **keys).list_tables())
    call("another role may not", lambda: boto3.client("sqs", **keys).list_queues())


def wrong():
    own = boto3.Session().get_credentials()
    keys = {"aws_access_key_id": own.access_key, "aws_session_token": own.token, "aws_secret_access_key": "x"}
    call("a wrong secret", lambda: boto3.client("dynamodb", **keys).list_tables())


def tampered(change, **config):
    """A client whose requests are changed after they were signed."""
    client = boto3.client("dynamodb", config=botocore.config.Config(retries={"total_max_attempts": 1}, **config))
    client.meta.events.register("before-send.dynamodb.*", lambda request, **_: change(request))
    return client


def other_body(request):
    request.body = request.body.replace(b"table", b"other")


def other_target(request):
    request.headers["X-Amz-Target"] = "DynamoDB_20120810.DeleteTable"


def changed():
    call("another body", lambda: tampered(other_body).describe_table(TableName="table"))
    call("another operation", lambda: tampered(other_target).describe_table(TableName="table"))
    call("what was meant", lambda: tampered(lambda _: None).describe_table(TableName="table")["Table"]["TableName"])


def presigned(client):
    """The function uses the URL itself, so that it leads through the layer."""
    def status(url):
        try:
            with urllib.request.urlopen(url) as answer:
                return [answer.status, plain(answer)]
        except urllib.error.HTTPError as error:
            return [error.code]

    url = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "large"}, ExpiresIn=900)
    call("presigned", lambda: [url.startswith(client.meta.endpoint_url), *status(url)])
    call("presigned, changed", lambda: status(url.replace("Expires=900", "Expires=901")))


def main():
    all_of = clients()
    endpoints = {name: client.meta.endpoint_url for name, client in all_of.items()}
    dynamodb(all_of["dynamodb"])
    functions(all_of["lambda"])
    messages(all_of["sqs"], all_of["sns"])
    objects(all_of["s3"])
    the_rest(all_of)
    another_role(all_of["sts"])
    wrong()
    changed()
    presigned(boto3.client("s3", config=botocore.config.Config(signature_version="s3v4")))
    json.dump({"endpoints": endpoints, "results": results}, sys.stdout)


main()
