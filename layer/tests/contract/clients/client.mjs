// Calls each URL with `fetch`, and says what came: `ok STATUS SHA256` or `failed ...`. The arguments: `SECONDS|URL` each.
import { createHash } from "node:crypto";

for (const call of process.argv.slice(2)) {
  const [seconds, url] = call.split("|");
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(seconds * 1000) });
    const body = Buffer.from(await answer.arrayBuffer());
    console.log("ok", answer.status, createHash("sha256").update(body).digest("hex"));
  } catch (error) {
    console.log("failed", error.cause?.code ?? error.name);
  }
}
