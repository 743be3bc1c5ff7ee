"""Writes down what the requests to MiniStack would be billed for: one line of JSON for each to DynamoDB or CloudWatch.

    {"by": "inoculate-observe", "service": "dynamodb", "operation": "GetItem", "refused": false, "read": 1.0, "write": 0, "metrics": 0}

`by` is the function whose role signed the request, or "" for anybody else; `read` and `write` are request units of
DynamoDB, `metrics` the metrics that GetMetricData asks for. Nothing changes for the caller, but that an answer of
DynamoDB may say what it consumed.

- Writes: MiniStack's own count, which it gives to those who ask for it (`ReturnConsumedCapacity`). It follows DynamoDB:
  each started KB of the larger of the old and the new item is a unit, in a transaction two, and one more for each started
  KB that an index gets.
- Reads: counted here, as MiniStack does not look at sizes. Each started 4 KB of what is found is a unit, half of it if the
  read is not consistent; a query rounds up its sum. Right only for reads without filter and projection.
- A refused request shows as `refused` and has no units, though DynamoDB bills a write whose condition did not hold.
"""

import json
import math

from ministack import app
from ministack.core.router import extract_access_key_id
from ministack.services import dynamodb, sts

BILLED = {"GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}


def start(path: str) -> None:
    """From now on, writes every request into the file at `path`."""
    file = open(path, "a", encoding="utf-8")
    for service, handle in (("dynamodb", dynamodb_request), ("monitoring", cloudwatch_request)):
        app.SERVICE_HANDLERS[service] = recording(app.SERVICE_HANDLERS[service], handle, file)


def recording(handler, handle, file):
    async def wrapped(method, path, headers, body, query_params):
        answer, record = await handle(handler, method, path, headers, body, query_params)
        record = {"by": caller(headers, query_params), "read": 0, "write": 0, "metrics": 0, "refused": answer[0] >= 400} | record
        # One write for a line, so that lines of two threads do not mix.
        file.write(json.dumps(record) + "\n")
        file.flush()
        return answer

    return wrapped


def caller(headers, query_params) -> str:
    session = sts._sessions.get(extract_access_key_id(headers, query_params)) or {}
    return session.get("Arn", "/").rpartition("/")[2]


async def dynamodb_request(handler, method, path, headers, body, query_params):
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    record = {"service": "dynamodb", "operation": operation}
    if operation not in BILLED:
        return await handler(method, path, headers, body, query_params), record
    request = json.loads(body)
    asking = json.dumps(request | {"ReturnConsumedCapacity": "TOTAL"}).encode()
    answer = await handler(method, path, headers, asking, query_params)
    if answer[0] >= 400:
        return answer, record
    said = json.loads(answer[2])
    if operation in ("GetItem", "Query"):
        found = said.get("Items") or [said.get("Item") or {}]
        kilobytes = sum(map(dynamodb._item_size_bytes, found)) / 1024
        units = max(1, math.ceil(kilobytes / 4))
        return answer, record | {"read": units if request.get("ConsistentRead") else units / 2}
    consumed = said["ConsumedCapacity"]
    tables = consumed if isinstance(consumed, list) else [consumed]
    return answer, record | {"write": sum(table["CapacityUnits"] for table in tables)}


async def cloudwatch_request(handler, method, path, headers, body, query_params):
    # The SDKs for Rust and Python speak CBOR or the query protocol, and name the operation in the path or in the body.
    answer = await handler(method, path, headers, body, query_params)
    operation = path.rpartition("/")[2]
    record = {"service": "cloudwatch", "operation": operation}
    if operation == "GetMetricData" and "cbor" in headers.get("content-type", ""):
        import cbor2

        queries = cbor2.loads(body).get("MetricDataQueries", [])
        record["metrics"] = sum("MetricStat" in query for query in queries)
    return answer, record
