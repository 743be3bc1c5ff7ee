// Calls with the AWS SDK for JavaScript that meet faults. Prints what the SDK makes of each, as one JSON object: those in the first
// argument, `errors` or `connections`.

const { call, client, results, sdk } = require("./common.cjs");

const key = { k: { S: "x" } };
const QueueUrl = "https://sqs.eu-west-1.amazonaws.com/1/q";
const TopicArn = "arn:aws:sns:eu-west-1:000000000000:topic";
const stateMachineArn = "arn:aws:states:eu-west-1:000000000000:stateMachine:pay";
const MetricData = [{ MetricName: "m", Value: 1 }];

// Makes a call. Notes also whether its error is one of the class that the package exports under its name.
async function meet(label, service, name, command, input, options) {
  const all = sdk(`@aws-sdk/client-${service}`);
  const made = client(service, name, options);
  await call(label, async () => {
    try {
      return await made.send(new all[`${command}Command`](input));
    } catch (error) {
      error.typed = all[error.name] !== undefined && error instanceof all[error.name];
      throw error;
    }
  });
}

async function errors() {
  const table = { TableName: "table", Key: key };
  const puts = [0, 1, 2, 3].map((number) => ({ PutRequest: { Item: { k: { S: `${number}` } } } }));
  const dynamodb = (label, command, input) => meet(label, "dynamodb", "DynamoDB", command, input);
  await dynamodb("dynamodb get", "GetItem", table);
  await dynamodb("dynamodb put", "PutItem", { TableName: "table", Item: key });
  await dynamodb("dynamodb batch", "BatchWriteItem", { RequestItems: { table: puts } });
  await dynamodb("dynamodb scan", "Scan", { TableName: "table", Select: "COUNT" });
  await meet("lambda invoke", "lambda", "Lambda", "Invoke", { FunctionName: "pay" });
  await meet("sqs list", "sqs", "SQS", "ListQueues", {});
  await meet("sqs send", "sqs", "SQS", "SendMessage", { QueueUrl, MessageBody: "x" }, { useQueueUrlAsEndpoint: false });
  await meet("sns publish", "sns", "SNS", "Publish", { TopicArn, Message: "x" });
  await meet("s3 get", "s3", "S3", "GetObject", { Bucket: "bucket", Key: "x" });
  await meet("s3 head", "s3", "S3", "HeadObject", { Bucket: "bucket", Key: "x" });
  await meet("cloudwatch put", "cloudwatch", "CloudWatch", "PutMetricData", { Namespace: "n", MetricData });
  await meet("stepfunctions start", "sfn", "SFN", "StartExecution", { stateMachineArn });
  await meet("kms list", "kms", "KMS", "ListKeys", {});
  await meet("ssm list", "ssm", "SSM", "DescribeParameters", {});
  await meet("ssm elsewhere", "ssm", "SSM", "DescribeParameters", {}, { region: "us-east-1" });
}

// For what waits for ever.
const impatient = { requestHandler: { requestTimeout: 500, throwOnRequestTimeout: true } };

async function connections() {
  await meet("refused", "ssm", "SSM", "DescribeParameters", {});
  await meet("reset", "kms", "KMS", "ListKeys", {});
  await meet("truncated", "secrets-manager", "SecretsManager", "ListSecrets", {});
  await meet("hung", "eventbridge", "EventBridge", "ListEventBuses", {}, impatient);
  const start = performance.now();
  await meet("late", "lambda", "Lambda", "ListFunctions", {});
  results.late.waited = performance.now() - start;
}

({ connections, errors })[process.argv[2]]().then(() => process.stdout.write(JSON.stringify(results)));
