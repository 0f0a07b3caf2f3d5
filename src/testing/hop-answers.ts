import type { FakeAnswer } from "./fake-kserve-runtime.ts";

const HTML = { "content-type": "text/html" };
const TEXT = { "content-type": "text/plain; charset=utf-8" };

/** What the hops between us and a model say in KServe's place, word for word. */
export const HOP_ANSWERS = {
  activatorTimeout: { status: 504, headers: TEXT, body: "activator request timeout" },
  queueProxyTimeout: { status: 504, headers: TEXT, body: "request timeout" },
  envoyTimeout: { status: 504, headers: { ...TEXT, server: "istio-envoy" }, body: "upstream request timeout" },
  haproxyTimeout: {
    status: 504,
    headers: HTML,
    body: "<html><body><h1>504 Gateway Time-out</h1>\nThe server didn't respond in time.\n</body></html>\n",
  },
  queueFull: { status: 503, headers: TEXT, body: "pending request queue full" },
  activatorOverload: { status: 503, headers: TEXT, body: "context deadline exceeded" },
  envoyNoConnection: {
    status: 503,
    headers: { ...TEXT, server: "istio-envoy" },
    body: "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
  },
  envoyNoHealthy: { status: 503, headers: { ...TEXT, server: "istio-envoy" }, body: "no healthy upstream" },
  envoyConnectionLost: {
    status: 503,
    headers: { ...TEXT, server: "istio-envoy" },
    body: "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
  },
  routerNoApplication: {
    status: 503,
    headers: HTML,
    body: "<html><body><h1>Application is not available</h1></body></html>",
  },
  modelNotReady: { status: 503, body: `{"error":"Model with name model is not ready."}` },
  proxyRefused: {
    status: 502,
    headers: TEXT,
    body: "dial tcp 10.0.0.7:8080: connect: connection refused\n",
  },
  proxyEof: { status: 502, headers: TEXT, body: "EOF\n" },
  unauthorized: { status: 401, headers: TEXT, body: "Unauthorized\n" },
  forbidden: {
    status: 403,
    headers: TEXT,
    body: "Forbidden (user=system:serviceaccount:ns:default, verb=get, resource=inferenceservices, subresource=)\n",
  },
  loginPage: { status: 403, headers: HTML, body: "<!DOCTYPE html><html><body>Log in with OpenShift</body></html>" },
  loginRedirect: { status: 302, headers: { location: "https://oauth.example.com/authorize" }, body: "" },
  tooManyRequests: { status: 429, headers: { "x-llm-d-request-dropped-reason": "saturated" }, body: "" },
  outOfMemory: {
    status: 400,
    body: `{"error":"Prediction failed: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 15.77 GiB"}`,
  },
  wrongRoute: { status: 404, body: `{"detail":"Not Found"}` },
} as const satisfies Record<string, FakeAnswer>;
