// What the tests run behind the layer with Node's Runtime API client.

let calls = 0;

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
