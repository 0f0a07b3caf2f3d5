import type { KeyObject, X509Certificate } from "node:crypto";
import type { FoundSettings, SettingWarning } from "./find-settings.ts";
import { createSettingFault, type SettingFault } from "./setting-fault.ts";
import type { SigningSettings } from "./settings.ts";

const DAY_MS = 86_400_000;
/** How long before its end a certificate is warned about. */
const WARNING_DAYS = 30;

export interface SigningValues {
  readonly chain: readonly X509Certificate[] | undefined;
  readonly key: KeyObject | undefined;
}

/** What is wrong with certificate and key together, or with the certificates now. */
export function listSigningFaults(
  found: FoundSettings["found"],
  { chain = [], key }: SigningValues,
  nowMs: number,
): SettingFault[] {
  const faults: SettingFault[] = [];
  const addFault = (name: "C2PA_SIGN_CERT" | "C2PA_PRIVATE_KEY", rule: string): void => {
    faults.push(createSettingFault(name, found.get(name)?.text, rule));
  };
  if (found.has("C2PA_SIGN_CERT") && !found.has("C2PA_PRIVATE_KEY")) {
    addFault("C2PA_PRIVATE_KEY", "must be set together with C2PA_SIGN_CERT");
  }
  if (found.has("C2PA_PRIVATE_KEY") && !found.has("C2PA_SIGN_CERT")) {
    addFault("C2PA_SIGN_CERT", "must be set together with C2PA_PRIVATE_KEY");
  }
  for (const [index, { validFromDate, validToDate }] of chain.entries()) {
    const which = `must be valid now, but certificate ${index + 1} of the chain`;
    if (validToDate.getTime() <= nowMs) addFault("C2PA_SIGN_CERT", `${which} ended on ${toDay(validToDate)}`);
    if (validFromDate.getTime() > nowMs) addFault("C2PA_SIGN_CERT", `${which} begins on ${toDay(validFromDate)}`);
  }
  const [signer] = chain;
  if (signer !== undefined && key !== undefined && !signer.checkPrivateKey(key)) {
    addFault("C2PA_PRIVATE_KEY", "must be the key of the first certificate of C2PA_SIGN_CERT");
  }
  return faults;
}

/** When the first of these certificates ends. */
export function toSigningEnd({ certificates }: SigningSettings): Date {
  return new Date(Math.min(...certificates.map(({ validToDate }) => validToDate.getTime())));
}

/** A certificate that ends soon. */
export function listSigningWarnings(signing: SigningSettings | undefined, nowMs: number): SettingWarning[] {
  const end = signing && toSigningEnd(signing);
  const days = end === undefined ? Infinity : Math.floor((end.getTime() - nowMs) / DAY_MS);
  if (end === undefined || days >= WARNING_DAYS) return [];
  const message = `C2PA_SIGN_CERT ends on ${toDay(end)}, in ${days} days; no picture can be made after that`;
  return [{ name: "C2PA_SIGN_CERT", message }];
}

function toDay(date: Date): string {
  return date.toISOString().slice(0, 10);
}
