// Calls with the AWS SDK for JavaScript that meet the same fault every time. Prints the attempts of each and the pauses between
// them, in milliseconds, as one JSON list.

const { client, failure, sdk } = require("./common.cjs");

const key = { TableName: "table", Key: { k: { S: "x" } } };
const CALLS = {
  "dynamodb throttled": ["dynamodb", "DynamoDB", "GetItem", key],
  "dynamodb failed": ["dynamodb", "DynamoDB", "PutItem", { TableName: "table", Item: key.Key }],
  "dynamodb refused": ["dynamodb", "DynamoDB", "DescribeTable", { TableName: "table" }],
  "dynamodb condition": ["dynamodb", "DynamoDB", "DeleteItem", key],
  "lambda throttled": ["lambda", "Lambda", "Invoke", { FunctionName: "pay" }],
  "s3 slow down": ["s3", "S3", "GetObject", { Bucket: "bucket", Key: "x" }],
};

async function attempts(most, name) {
  const [service, kind, command, input] = CALLS[name];
  // Without a number it is that of the environment, or the SDK's own.
  const made = client(service, kind, { maxAttempts: most ?? undefined });
  const sent = [];
  const note = (next) => async (args) => {
    sent.push(args.request.headers["amz-sdk-request"]);
    return next(args);
  };
  made.middlewareStack.add(note, { step: "finalizeRequest", priority: "low" });
  try {
    await made.send(new (sdk(`@aws-sdk/client-${service}`)[`${command}Command`])(input));
  } catch (error) {
    const { attempts: told, delay } = failure(error);
    return { most, call: name, told, sent, delay };
  }
  throw new Error(`${name} met no fault`);
}

async function main() {
  const all = [];
  for (const most of [undefined, 1, 2]) {
    for (const name of Object.keys(CALLS)) {
      all.push(await attempts(most, name));
    }
  }
  process.env.AWS_MAX_ATTEMPTS = "4";
  all.push({ ...(await attempts(undefined, "dynamodb throttled")), most: "environment" });
  process.stdout.write(JSON.stringify(all));
}

main();
