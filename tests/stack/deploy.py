"""Deploys a SAM template to the local stack, as `sam package` and `sam deploy` would.

usage: deploy.py deploy|delete   (a request as JSON on standard input, the stack's outputs as JSON on standard output)

request: {"stack": NAME, "template": FILE, "parameters": {NAME: VALUE}, "artifacts": {LOGICAL_ID: FILE}, "binaries": DIR,
          "packages": {NAME: {PLACE: FILE}}}

The template stays as it is in the repository. In a copy, local paths become S3 locations:
- a folder that `cargo xtask package` would fill, `.../target/lambda/NAME`, becomes a zip of the files of that package, or
  else one with DIR/NAME as its `bootstrap`;
- `artifacts` overrides this for a resource, with a binary or a finished zip;
- any other local file or folder is uploaded as it is, a folder as a zip.
"""

import hashlib
import io
import json
import os
import sys
import time
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from samtranslator.yaml_helper import yaml_parse

BUCKET = "inoculate-artifacts"
DEADLINE_SECS = 120
POLL_SECS = 0.05

# Which property of which resource names local files, and whether S3 locations are written as an object.
LOCATIONS = {
    "AWS::Serverless::Function": ("CodeUri", "Bucket", "Key"),
    "AWS::Serverless::LayerVersion": ("ContentUri", "Bucket", "Key"),
    "AWS::Serverless::StateMachine": ("DefinitionUri", "Bucket", "Key"),
    "AWS::Lambda::Function": ("Code", "S3Bucket", "S3Key"),
    "AWS::Lambda::LayerVersion": ("Content", "S3Bucket", "S3Key"),
    "AWS::StepFunctions::StateMachine": ("DefinitionS3Location", "Bucket", "Key"),
}


class Failure(Exception):
    """A failure whose text is the whole message for the person who reads it."""


class Packager:
    """Turns local paths in a template into objects in S3."""

    def __init__(self, s3, request: dict):
        self.s3 = s3
        self.folder = os.path.dirname(os.path.abspath(request["template"]))
        self.artifacts = request["artifacts"]
        self.binaries = request["binaries"]
        self.packages = request["packages"]

    def package(self, template: dict) -> None:
        unused = set(self.artifacts)
        for logical_id, resource in template.get("Resources", {}).items():
            location = LOCATIONS.get(resource.get("Type"))
            if location is None:
                continue
            name, bucket, key = location
            properties = resource.setdefault("Properties", {})
            if logical_id in self.artifacts:
                unused.discard(logical_id)
                content = self.artifact(logical_id, self.artifacts[logical_id])
            elif isinstance(properties.get(name), str) and not properties[name].startswith("s3://"):
                content = self.local(logical_id, properties[name])
            else:
                continue
            properties[name] = {bucket: BUCKET, key: self.upload(content)}
        if unused:
            raise Failure(f"no resource of the template takes the artifacts for {', '.join(sorted(unused))}")

    def local(self, logical_id: str, path: str) -> bytes:
        path = os.path.normpath(os.path.join(self.folder, path))
        parent, name = os.path.split(path)
        if parent.endswith(os.path.join("target", "lambda")):
            files = self.packages.get(name) or {"bootstrap": os.path.join(self.binaries, name)}
            return zip_files({place: read(logical_id, file) for place, file in files.items()})
        if os.path.isdir(path):
            return zip_folder(path)
        return read(logical_id, path)

    def artifact(self, logical_id: str, path: str) -> bytes:
        content = read(logical_id, path)
        return content if zipfile.is_zipfile(io.BytesIO(content)) else zip_files({"bootstrap": content})

    def upload(self, content: bytes) -> str:
        key = hashlib.sha256(content).hexdigest()
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return key


def read(logical_id: str, path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Failure(
            f"{logical_id}: cannot read {path}: {error.strerror}; build it with `cargo build --workspace --bins`"
            if os.path.dirname(path).endswith("debug")
            else f"{logical_id}: cannot read {path}: {error.strerror}"
        ) from error


def zip_files(files: dict[str, bytes]) -> bytes:
    """A zip with fixed times, so that the same files make the same zip. Stored: nothing here travels far."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def zip_folder(folder: str) -> bytes:
    files = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, folder)] = file.read()
    return zip_files(files)


def deploy(request: dict, clients: dict) -> dict:
    """Creates the stack, or updates it if it is there. Answers its outputs."""
    cloudformation, s3 = clients["cloudformation"], clients["s3"]
    with open(request["template"], encoding="utf-8") as file:
        template = yaml_parse(file.read())
    try:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass
    Packager(s3, request).package(template)

    # Through S3 rather than inline: an inline template may have only 51,200 bytes.
    key = f"{request['stack']}.template.json"
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(template, default=str).encode())
    arguments = {
        "StackName": request["stack"],
        "TemplateURL": f"{s3.meta.endpoint_url}/{BUCKET}/{key}",
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in request["parameters"].items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    before = describe(cloudformation, request["stack"])
    try:
        if before is None:
            cloudformation.create_stack(**arguments)
        else:
            cloudformation.update_stack(**arguments)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return outputs(before)
        raise
    stack = settle(cloudformation, request["stack"])
    if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise Failure(explain(cloudformation, stack))
    return outputs(stack)


def delete(request: dict, clients: dict) -> dict:
    """Deletes the stack; one that is not there is deleted already."""
    cloudformation = clients["cloudformation"]
    before = describe(cloudformation, request["stack"])
    if before is None:
        return {}
    cloudformation.delete_stack(StackName=request["stack"])
    # A deleted stack can be described only by its id.
    stack = settle(cloudformation, before["StackId"])
    if stack is not None and stack["StackStatus"] != "DELETE_COMPLETE":
        raise Failure(explain(cloudformation, stack))
    return {}


def describe(cloudformation, name: str) -> dict | None:
    try:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def settle(cloudformation, name: str) -> dict | None:
    """Waits until nothing is in progress any more. The waiters of boto3 look every thirty seconds; this takes one."""
    deadline = time.monotonic() + DEADLINE_SECS
    while True:
        stack = describe(cloudformation, name)
        if stack is None or not stack["StackStatus"].endswith("IN_PROGRESS"):
            return stack
        if time.monotonic() > deadline:
            raise Failure(f"still {stack['StackStatus']} after {DEADLINE_SECS} seconds")
        time.sleep(POLL_SECS)


def explain(cloudformation, stack: dict) -> str:
    lines = [f"{stack['StackStatus']}: {stack.get('StackStatusReason', 'no reason given')}"]
    events = cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    for event in reversed(events):
        if event["ResourceStatus"].endswith("FAILED"):
            lines.append(
                f"  {event['LogicalResourceId']} ({event['ResourceType']}) {event['ResourceStatus']}: "
                f"{event.get('ResourceStatusReason', 'no reason given')}"
            )
    return "\n".join(lines)


def outputs(stack: dict) -> dict:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def main(action: str) -> int:
    request = json.load(sys.stdin)
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    clients = {name: boto3.client(name, config=config) for name in ("cloudformation", "s3")}
    try:
        result = {"deploy": deploy, "delete": delete}[action](request, clients)
    except (Failure, ClientError) as failure:
        print(failure, file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
