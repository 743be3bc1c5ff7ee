// What the tests run behind the layer with Node's Runtime API client.

import { createRequire } from "node:module";

let calls = 0;
let table;

export async function handle(event, context) {
  calls += 1;
  if (event?.fail) {
    throw new Error(event.fail);
  }
  return {
    echo: event,
    request_id: context.awsRequestId,
    function_arn: context.invokedFunctionArn,
    trace: process.env._X_AMZN_TRACE_ID,
    calls,
  };
}

// Streams the texts of the event, with a head as function URLs have it, or fails in the middle.
export const stream = awslambda.streamifyResponse(async (event, output) => {
  if (event.head) {
    output = awslambda.HttpResponseStream.from(output, event.head);
  }
  for (const text of event.texts) {
    await new Promise((written) => output.write(text, written));
  }
  if (event.fail) {
    throw new Error(event.fail);
  }
  output.end();
});

// Reads an item with the AWS SDK, and says what came of it.
export async function read() {
  const { DynamoDB } = createRequire(`${process.env.NODE_MODULES}/`)("@aws-sdk/client-dynamodb");
  table ??= new DynamoDB({ maxAttempts: 2 });
  try {
    const { Item, $metadata } = await table.getItem({ TableName: "table", Key: { k: { S: "x" } } });
    return { found: Item?.k.S ?? null, attempts: $metadata.attempts };
  } catch (error) {
    return { error: error.name, message: error.message, attempts: error.$metadata?.attempts };
  }
}
