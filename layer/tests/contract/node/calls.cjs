// A broad list of calls with the AWS SDK for JavaScript, each with what came of it, as one JSON object on standard output.

const { Readable } = require("node:stream");
const { call, client, digest, endpoints, results, sdk } = require("./common.cjs");

// A zip with `i.py`, whose `handle` gives back its event, or fails if that says `fail`. Node cannot make zips by itself.
const CODE =
  "UEsDBBQAAAAAAAAAIQA1xcdLVAAAAFQAAAAEAAAAaS5weWRlZiBoYW5kbGUoZSwgYyk6CiAgICBpZiBlLmdldCgnZmFpbCcpOgogICAgICAgIHJhaXNl" +
  "IFZhbHVlRXJyb3IoJ25vJykKICAgIHJldHVybiBlClBLAQIUAxQAAAAAAAAAIQA1xcdLVAAAAFQAAAAEAAAAAAAAAAAAAACAAQAAAABpLnB5UEsFBgAA" +
  "AAABAAEAMgAAAHYAAAAAAA==";

const numbers = (count) => [...Array(count).keys()];
const text = (value) => ({ S: value });

async function dynamodb() {
  const { paginateQuery, paginateScan, ...commands } = sdk("@aws-sdk/client-dynamodb");
  const table = client("dynamodb", "DynamoDB");
  const send = (name, input) => table.send(new commands[`${name}Command`]({ TableName: "table", ...input }));
  const [k, n] = ["k", "n"].map((AttributeName) => ({ AttributeName }));
  await call("dynamodb create", () => send("CreateTable", {
    BillingMode: "PAY_PER_REQUEST",
    KeySchema: [{ ...k, KeyType: "HASH" }, { ...n, KeyType: "RANGE" }],
    AttributeDefinitions: [{ ...k, AttributeType: "S" }, { ...n, AttributeType: "N" }],
  }));
  const key = { k: text("schlüssel \u{1f511}"), n: { N: "1.5" } };
  const bytes = Uint8Array.from(numbers(256));
  const item = { ...key, b: { B: bytes }, l: { L: [{ NULL: true }, { M: { "ä.b": { BOOL: false } } }] }, s: { SS: ["ü", "x"] } };
  await call("dynamodb put", () => send("PutItem", { Item: item }));
  await call("dynamodb get", () => send("GetItem", { Key: key }));
  const large = { k: text("large"), n: { N: "1" } };
  await call("dynamodb put 400 KB", () => send("PutItem", { Item: { ...large, v: text("ö".repeat(199_000)) } }));
  await call("dynamodb get 400 KB", () => send("GetItem", { Key: large }));
  const puts = numbers(25).map((number) => ({ PutRequest: { Item: { k: text("batch"), n: { N: `${number}` } } } }));
  await call("dynamodb batch write", () => send("BatchWriteItem", { RequestItems: { table: puts } }));
  const keys = [3, 1, 7].map((number) => ({ k: text("batch"), n: { N: `${number}` } }));
  await call("dynamodb batch get", async () => {
    const { Responses } = await send("BatchGetItem", { RequestItems: { table: { Keys: keys } } });
    return Responses.table.map((found) => found.n.N).sort();
  });
  const set = { UpdateExpression: "SET #v = :v", ExpressionAttributeNames: { "#v": "v" }, ExpressionAttributeValues: { ":v": text("nëu") } };
  await call("dynamodb update", () => send("UpdateItem", { Key: key, ReturnValues: "UPDATED_NEW", ...set }));
  const condition = { ConditionExpression: "attribute_not_exists(k)" };
  await call("dynamodb condition", () => send("PutItem", { Item: item, ...condition }));
  const writes = [{ Put: { TableName: "table", Item: item, ...condition } }];
  await call("dynamodb transaction", () => send("TransactWriteItems", { TransactItems: writes }));
  await call("dynamodb no table", () => send("GetItem", { TableName: "none", Key: key }));
  await call("dynamodb delete", () => send("DeleteItem", { Key: key, ReturnValues: "ALL_OLD" }));
  const all = async (pages) => {
    const found = [];
    let count = 0;
    for await (const page of pages) {
      found.push(...page.Items.map((one) => `${one.k.S} ${one.n.N}`));
      count += 1;
    }
    return { count, found: found.sort() };
  };
  const of = { TableName: "table", KeyConditionExpression: "k = :k", ExpressionAttributeValues: { ":k": text("batch") } };
  await call("dynamodb query pages", () => all(paginateQuery({ client: table, pageSize: 4 }, of)));
  await call("dynamodb scan pages", () => all(paginateScan({ client: table, pageSize: 7 }, { TableName: "table" })));
  await call("dynamodb 100 at once", () => Promise.all(numbers(100).map(async (number) => {
    const one = { k: text(`c${number}`), n: { N: "0" } };
    await send("PutItem", { Item: { ...one, v: text(`ä${number}`) } });
    return (await send("GetItem", { Key: one, ConsistentRead: true })).Item.v.S;
  })));
}

async function functions() {
  const commands = sdk("@aws-sdk/client-lambda");
  const lambda = client("lambda", "Lambda");
  const send = (name, input) => lambda.send(new commands[`${name}Command`](input));
  const invoke = (input) => send("Invoke", { FunctionName: "f", ...input });
  const definition = { Runtime: "python3.12", Handler: "i.handle", Role: "arn:aws:iam::000000000000:role/everything" };
  await call("lambda create", async () => {
    const made = await send("CreateFunction", { FunctionName: "f", Code: { ZipFile: Buffer.from(CODE, "base64") }, ...definition });
    return made.$metadata.httpStatusCode;
  });
  await call("lambda invoke", () => invoke({ Payload: JSON.stringify({ a: "ü" }) }));
  await call("lambda invoke arn", () => invoke({ FunctionName: "arn:aws:lambda:eu-west-1:000000000000:function:f", Payload: "{}" }));
  await call("lambda fails", async () => (await invoke({ Payload: JSON.stringify({ fail: 1 }) })).FunctionError);
  await call("lambda asynchronous", () => invoke({ InvocationType: "Event", Payload: "{}" }));
  await call("lambda none", () => invoke({ FunctionName: "none" }));
  await call("lambda list", async () => (await send("ListFunctions", {})).Functions.map((found) => found.FunctionName));
}

async function messages() {
  const { CreateQueueCommand, GetQueueUrlCommand, ReceiveMessageCommand, SendMessageBatchCommand, SendMessageCommand } =
    sdk("@aws-sdk/client-sqs");
  // Otherwise calls about a queue go to the host in its URL, and not through the layer.
  const sqs = client("sqs", "SQS", { useQueueUrlAsEndpoint: false });
  let QueueUrl;
  await call("sqs create", async () => {
    ({ QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "q" })));
    return new URL(QueueUrl).pathname;
  });
  const body = "nächricht <&> \u{1f4e8}";
  await call("sqs send", () => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: body })));
  const Entries = [1, 2, 3].map((number) => ({ Id: `${number}`, MessageBody: body.repeat(number) }));
  await call("sqs batch", () => sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries })));
  await call("sqs receive", async () => {
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
    return Messages.map((found) => found.Body).sort();
  });
  await call("sqs none", () => sqs.send(new GetQueueUrlCommand({ QueueName: "none" })));

  const { CreateTopicCommand, ListTopicsCommand, PublishBatchCommand, PublishCommand } = sdk("@aws-sdk/client-sns");
  const sns = client("sns", "SNS");
  const { TopicArn } = await call("sns create", () => sns.send(new CreateTopicCommand({ Name: "topic" })));
  await call("sns publish", () => sns.send(new PublishCommand({ TopicArn, Message: body, Subject: "a & b" })));
  const PublishBatchRequestEntries = [1, 2].map((number) => ({ Id: `${number}`, Message: `${body} ${number}` }));
  await call("sns batch", () => sns.send(new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries })));
  await call("sns none", () => sns.send(new PublishCommand({ TopicArn: `${TopicArn}x`, Message: "x" })));
  await call("sns list", () => sns.send(new ListTopicsCommand({})));
}

async function objects() {
  const commands = sdk("@aws-sdk/client-s3");
  const s3 = client("s3", "S3");
  const send = (name, input) => s3.send(new commands[`${name}Command`]({ Bucket: "bucket", ...input }));
  const place = { CreateBucketConfiguration: { LocationConstraint: "eu-west-1" } };
  await call("s3 create", async () => (await send("CreateBucket", place)).$metadata.httpStatusCode);
  const Key = "a b/ü+%/~(1)*'!.txt";
  await call("s3 put", () => send("PutObject", { Key, Body: "inhält", Metadata: { x: "y" } }));
  await call("s3 get", () => send("GetObject", { Key }));
  await call("s3 head", () => send("HeadObject", { Key }));
  await call("s3 range", () => send("GetObject", { Key, Range: "bytes=2-4" }));
  const large = Buffer.alloc(12_000_000, Buffer.from(numbers(251)));
  const parts = () => Readable.from(numbers(12).map((part) => large.subarray(part * 1_000_000, (part + 1) * 1_000_000)));
  // A body that is sent as it comes, in chunks, with its checksum after it.
  await call("s3 stream", () => send("PutObject", { Key: "stream", Body: parts(), ContentLength: large.length, ChecksumAlgorithm: "CRC32" }));
  await call("s3 get stream", () => send("GetObject", { Key: "stream", ChecksumMode: "ENABLED" }));
  const { Upload } = sdk("@aws-sdk/lib-storage");
  const upload = { client: s3, partSize: 8 * 1024 * 1024, params: { Bucket: "bucket", Key: "large", Body: parts() } };
  await call("s3 multipart", async () => {
    const { Location, ...done } = await new Upload(upload).done();
    return done;
  });
  await call("s3 get large", () => send("GetObject", { Key: "large" }));
  await call("s3 large range", () => send("GetObject", { Key: "large", Range: "bytes=8388600-8388700" }));
  await call("s3 list", async () => (await send("ListObjectsV2", { Prefix: "" })).Contents.map((found) => found.Key));
  const { getSignedUrl } = sdk("@aws-sdk/s3-request-presigner");
  // The function uses the URL itself, so that it leads through the layer.
  await call("s3 presigned", async () => {
    const url = await getSignedUrl(s3, new commands.GetObjectCommand({ Bucket: "bucket", Key: "large" }));
    const answer = await fetch(url);
    return [new URL(url).host === new URL(endpoints.s3).host, answer.status, digest(Buffer.from(await answer.arrayBuffer()))];
  });
  await call("s3 presigned, changed", async () => {
    const url = new URL(await getSignedUrl(s3, new commands.GetObjectCommand({ Bucket: "bucket", Key: "large" })));
    url.searchParams.set("X-Amz-Expires", "901");
    return (await fetch(url)).status;
  });
  await call("s3 delete", () => send("DeleteObjects", { Delete: { Objects: [{ Key }] } }));
  await call("s3 none", () => send("GetObject", { Key: "none" }));
  await call("s3 head none", () => send("HeadObject", { Key: "none" }));
}

// A client, and a short way to make its calls.
function calls(service, name, options) {
  const commands = sdk(`@aws-sdk/client-${service}`);
  const made = client(service, name, options);
  return (label, command, input = {}) => call(label, () => made.send(new commands[`${command}Command`](input)));
}

async function theRest() {
  const events = calls("eventbridge", "EventBridge");
  await events("events put", "PutEvents", { Entries: [{ Source: "s", DetailType: "d", Detail: "{}" }] });
  const secrets = calls("secrets-manager", "SecretsManager");
  await secrets("secrets create", "CreateSecret", { Name: "s", SecretString: "gehëim", ClientRequestToken: "0".repeat(32) });
  await secrets("secrets get", "GetSecretValue", { SecretId: "s" });
  await secrets("secrets none", "GetSecretValue", { SecretId: "none" });
  const parameters = calls("ssm", "SSM");
  await parameters("ssm put", "PutParameter", { Name: "/a/b", Value: "wért", Type: "String" });
  await parameters("ssm get", "GetParameter", { Name: "/a/b" });
  await parameters("ssm none", "GetParameter", { Name: "/none" });
  const keys = calls("kms", "KMS");
  const { KeyMetadata } = await keys("kms create", "CreateKey");
  const KeyId = KeyMetadata?.KeyId;
  const { CiphertextBlob } = await keys("kms encrypt", "Encrypt", { KeyId, Plaintext: Buffer.from("offen") });
  await keys("kms decrypt", "Decrypt", { CiphertextBlob });
  const machines = calls("sfn", "SFN", { disableHostPrefix: true });
  await machines("sfn list", "ListStateMachines");
  await machines("sfn none", "DescribeExecution", { executionArn: "arn:aws:states:eu-west-1:000000000000:execution:a:b" });
  await machines("sfn synchronous none", "StartSyncExecution", { stateMachineArn: "arn:aws:states:eu-west-1:000000000000:stateMachine:none" });
  const metrics = calls("cloudwatch", "CloudWatch");
  await metrics("cloudwatch put", "PutMetricData", { Namespace: "n", MetricData: [{ MetricName: "m", Value: 1.5 }] });
  await metrics("cloudwatch list", "ListMetrics", { Namespace: "n" });
}

// Calls with credentials that the function got from STS, and with wrong ones.
async function keys() {
  const { AssumeRoleCommand, GetCallerIdentityCommand } = sdk("@aws-sdk/client-sts");
  const { ListTablesCommand } = sdk("@aws-sdk/client-dynamodb");
  const sts = client("sts", "STS");
  await call("sts who", () => sts.send(new GetCallerIdentityCommand({})));
  await call("another role", async () => {
    const role = { RoleArn: "arn:aws:iam::000000000000:role/everything", RoleSessionName: "other" };
    const { AccessKeyId, SecretAccessKey, SessionToken } = (await sts.send(new AssumeRoleCommand(role))).Credentials;
    const credentials = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
    return client("dynamodb", "DynamoDB", { credentials }).send(new ListTablesCommand({}));
  });
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SESSION_TOKEN: sessionToken } = process.env;
  const credentials = { accessKeyId, sessionToken, secretAccessKey: "x" };
  await call("a wrong secret", () => client("dynamodb", "DynamoDB", { credentials }).send(new ListTablesCommand({})));
}

async function main() {
  await dynamodb();
  await functions();
  await messages();
  await objects();
  await theRest();
  await keys();
  process.stdout.write(JSON.stringify({ endpoints, results }));
}

main();
