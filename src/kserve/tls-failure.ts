import { isErrno } from "../core/errors.ts";

const UNTRUSTED =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(?:GET_ISSUER_CERT(?:_LOCALLY)?|VERIFY_LEAF_SIGNATURE)|CERT_UNTRUSTED)$/;
const OF_TLS = /^(?:ERR_TLS_|ERR_SSL_|UNABLE_TO_|CERT_)/;
/** Alerts of a server that wants a certificate of ours, or another one (RFC 8446, section 6.2). */
const CLIENT_CERTIFICATE =
  /certificate_required|bad_certificate|handshake_failure|unknown_ca|alert (?:bad certificate|handshake failure|certificate required|unknown ca)/i;

/** What to change after a failure of TLS; `undefined` for any other error. */
export function explainTlsFailure(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  const code = String(error.code);
  if (UNTRUSTED.test(code)) {
    return "Give the certificate authority of the endpoint in KSERVE_CA_FILE, such as service-ca.crt on OpenShift";
  }
  if (code === "CERT_HAS_EXPIRED") return "The endpoint's certificate has expired; renew it";
  if (code === "CERT_NOT_YET_VALID") return "The endpoint's certificate is not valid yet; compare the clocks";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return "The endpoint's certificate is for other names; use one of them in KSERVE_ENDPOINT, or set KSERVE_SERVERNAME to it";
  }
  if (!isErrno(error, "EPROTO", "DEPTH_ZERO_SELF_SIGNED_CERT") && !OF_TLS.test(code)) return undefined;
  if (CLIENT_CERTIFICATE.test(`${code} ${error.message}`)) {
    return "The endpoint wants a certificate of ours that it trusts: set KSERVE_CLIENT_CERT_FILE and KSERVE_CLIENT_KEY_FILE";
  }
  return "The endpoint seems not to speak TLS there; check the port, or begin KSERVE_ENDPOINT with http://";
}
