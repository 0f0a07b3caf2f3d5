/** What is known about a call that was cut on its way. */
export interface CutCall {
  readonly elapsedMs: number;
  /** The words of the one who cut it; empty for a lost connection. */
  readonly text: string;
}

interface Hop {
  /** Part of the sentence "Cut after 30 s by …". */
  readonly name: string;
  readonly remedy: string;
}

const PREDICTOR_TIMEOUT = "set spec.predictor.timeout";
const OPENSHIFT: Hop = { name: "the OpenShift route or its auth proxy (30 s by default)", remedy: PREDICTOR_TIMEOUT };
const GATEWAY: Hop = { name: "a gateway or an ingress (60 s by default)", remedy: PREDICTOR_TIMEOUT };
const KNATIVE: Hop = { name: "Knative (300 s by default)", remedy: PREDICTOR_TIMEOUT };
const ENVOY: Hop = { name: "the Envoy gateway", remedy: "set spec.predictor.timeout, or the timeout of its route" };

/** Hops that are known by their words. */
const BY_WORDS: readonly (readonly [RegExp, Hop])[] = [
  [/^activator request timeout/, { name: "Knative's activator, before the model was up", remedy: PREDICTOR_TIMEOUT }],
  [/^request timeout\s*$/, { name: "Knative's queue proxy", remedy: PREDICTOR_TIMEOUT }],
  [/^upstream request timeout|^stream timeout|response timeout/, ENVOY],
  [
    /<center>nginx/,
    { name: "the nginx ingress", remedy: "set its annotation nginx.ingress.kubernetes.io/proxy-read-timeout" },
  ],
];
/** Hops that are known by the moment, in seconds: a cut at such a moment is no accident. */
const BY_MOMENT: readonly (readonly [number, Hop])[] = [
  [30, OPENSHIFT],
  [60, GATEWAY],
  [300, KNATIVE],
];
const TOLERANCE_MS = 1000;

/** Who cut a call, and what to change; `undefined` when neither words nor moment tell. */
export function explainCut({ elapsedMs, text }: CutCall): string | undefined {
  const hop =
    BY_WORDS.find(([words]) => words.test(text))?.[1] ??
    BY_MOMENT.find(([seconds]) => Math.abs(elapsedMs - seconds * 1000) <= TOLERANCE_MS)?.[1];
  return hop && `Cut after ${Math.round(elapsedMs / 1000)} s by ${hop.name}: ${hop.remedy}`;
}
