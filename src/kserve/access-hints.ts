import type { Answer } from "./exchange.ts";

const TOKEN = "KSERVE_AUTH_TOKEN_FILE or KSERVE_AUTH_TOKEN";
const HTML = /^\s*</;
const LOGIN = /oauth|login|authorize|sign[-_]?in|sso|openid/i;

/** What to change after a refusal of our credentials. */
export function explainRefusal({ status, text }: Answer): string {
  if (HTML.test(text))
    return `The endpoint expects a person to log in; set ${TOKEN}, and give the model token authentication`;
  if (status === 401) return `Set ${TOKEN} to a token that is valid: it is missing, too old or for another audience`;
  if (/RBAC: access denied/i.test(text)) {
    return `An AuthorizationPolicy of the mesh refuses us; without a token it does so too: set ${TOKEN}`;
  }
  return "The account behind the token needs a Role with the verb get on this one of inferenceservices.serving.kserve.io";
}

/** What to change after a redirect, which is never followed: a job and a token go to the configured address alone. */
export function explainRedirect({ headers }: Answer): string {
  const { location = "" } = headers;
  if (LOGIN.test(location)) return `The endpoint redirects to a login; set ${TOKEN}`;
  if (location.startsWith("https:")) return "Begin KSERVE_ENDPOINT with https://";
  return "Set KSERVE_ENDPOINT to the address that it redirects to";
}

/** What to change when there is no such route. */
export function explainMissingRoute({ status, text }: Answer): string {
  if (status !== 404) return "Another protocol may be spoken there; see KSERVE_PROTOCOL";
  if (HTML.test(text)) return "KSERVE_ENDPOINT leads to a web server, or its router knows no such host";
  if (text.trim() === "") return "A gateway knows no such host; check KSERVE_ENDPOINT, or set KSERVE_HOST_HEADER";
  return "Check the path of KSERVE_ENDPOINT; it ends before /v1, and may carry the prefix of a gateway";
}
