import type { HttpSettings } from "../../config/settings.ts";
import { toBaseUrl } from "../../http/base-url.ts";
import { ask } from "./ask.ts";
import { fail, ok, skip, type Finding } from "./finding.ts";

/** Whether a server of these settings runs, and whether the URLs that it gives out lead to it. */
export async function checkServer({ host, port, publicBaseUrl }: HttpSettings): Promise<readonly Finding[]> {
  const localUrl = toBaseUrl({ host, port }, undefined);
  if (port === 0 || (await ask(`${localUrl}/livez`))?.status !== 200) {
    return [skip("server", `No server runs at ${localUrl}, so its URLs were not tried`)];
  }
  const running = ok("server", `A server runs at ${localUrl}`);
  if (publicBaseUrl === undefined) return [running];
  const reply = await ask(`${publicBaseUrl}/livez`);
  if (reply?.status === 200) return [running, ok("public url", `${publicBaseUrl} leads to a server`)];
  const answer = reply === undefined ? "does not answer" : `answers with HTTP ${reply.status}`;
  const remedy = "Check PUBLIC_BASE_URL and the proxy or route in front; the URLs of pictures begin with it.";
  return [running, fail("public url", `${publicBaseUrl} ${answer}`, remedy)];
}
