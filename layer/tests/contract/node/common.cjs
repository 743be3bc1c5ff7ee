// What the programs with the AWS SDK for JavaScript share: clients, and what comes of their calls, without what differs
// from one time to the next.

const { createHash } = require("node:crypto");
const { createRequire } = require("node:module");

const VOLATILE = new Set([
  "AccessKeyId", "AssumedRoleId", "CiphertextBlob", "CodeSha256", "CurrentKeyMaterialId", "EventId", "HostId",
  "KeyId", "KeyMaterialId", "MessageId", "Owner", "ReceiptHandle", "RequestId", "RevisionId", "SecretAccessKey",
  "SequenceNumber", "SessionToken", "TableId", "UploadId", "UserId", "VersionId", "VersionIdsToStages",
]);

const results = {};
// Where the requests to each service went.
const endpoints = {};

// The packages, which are not beside this file.
const sdk = createRequire(`${process.env.NODE_MODULES}/`);

function client(service, name, options = {}) {
  const made = new (sdk(`@aws-sdk/client-${service}`)[`${name}Client`])({ maxAttempts: 2, ...options });
  const note = (next) => async (args) => {
    const { hostname, port } = args.request;
    const endpoint = `http://${hostname}:${port}`;
    endpoints[service] = [undefined, endpoint].includes(endpoints[service]) ? endpoint : "several";
    return next(args);
  };
  made.middlewareStack.add(note, { step: "finalizeRequest", priority: "low" });
  return made;
}

const digest = (bytes) => `${bytes.length} ${createHash("sha256").update(bytes).digest("hex")}`;

// A value that compares, with the types of what differs in place of it.
async function plain(value, key = "") {
  if (value?.transformToByteArray) {
    value = await value.transformToByteArray();
  }
  if (VOLATILE.has(key) || key.toLowerCase().endsWith("arn")) {
    return typeof value;
  }
  if (value instanceof Uint8Array) {
    return digest(Buffer.from(value));
  }
  if (typeof value === "string" && value.length > 1000) {
    return digest(Buffer.from(value));
  }
  if (value instanceof Date) {
    return "Date";
  }
  if (Array.isArray(value)) {
    return Promise.all(value.map((inner) => plain(inner)));
  }
  if (value !== null && typeof value === "object") {
    const kept = {};
    for (const name of Object.keys(value).filter((name) => name !== "$metadata").sort()) {
      kept[name] = await plain(value[name], name);
    }
    return kept;
  }
  return value ?? null;
}

// What an error says, with the class that the SDK made of it and those above it.
function failure(error) {
  const classes = [];
  for (let kind = error.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) {
    classes.push(kind.name);
  }
  const { httpStatusCode, attempts, totalRetryDelay } = error.$metadata ?? {};
  return {
    name: error.name, classes, code: error.code ?? null, message: error.message, reason: error.Reason ?? null,
    fault: error.$fault ?? null, typed: error.typed ?? null, status: httpStatusCode ?? null, attempts: attempts ?? null, delay: totalRetryDelay ?? null,
  };
}

// Notes what comes of a call. Returns the answer, or nothing if it failed.
async function call(name, act) {
  try {
    const answer = await act();
    const { httpStatusCode, attempts } = answer?.$metadata ?? {};
    results[name] = { status: httpStatusCode ?? null, attempts: attempts ?? null, answer: await plain(answer) };
    return answer;
  } catch (error) {
    const { delay, ...told } = failure(error);
    results[name] = { error: told };
    return {};
  }
}

module.exports = { call, client, digest, endpoints, failure, results, sdk };
