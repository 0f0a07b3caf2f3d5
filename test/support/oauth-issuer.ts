import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from "jose";

/** An OAuth issuer on this machine, which signs whatever it is asked to. */
export async function startOAuthIssuer() {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const keys = [{ ...(await exportJWK(publicKey)), kid: "one", alg: "ES256", use: "sig" }];
  const server = createServer((request, response) => {
    const isMetadata = request.url === "/.well-known/oauth-authorization-server";
    response.end(JSON.stringify(isMetadata ? { issuer: url, jwks_uri: `${url}/keys` } : { keys }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    sign: async (claims: JWTPayload) =>
      new SignJWT({ iss: url, ...claims })
        .setProtectedHeader({ alg: "ES256", kid: "one", typ: "at+jwt" })
        .setExpirationTime("5m")
        .sign(privateKey),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
