import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClientAddress } from "./client-address.ts";

describe("ClientAddress.find()", () => {
  const behindTwo = new ClientAddress(["10.0.0.0/8", "fd00::/8", "127.0.0.1"]);

  for (const [peer, header, expected, why] of [
    ["203.0.113.9", "1.2.3.4", "203.0.113.9", "a stranger's header is not believed"],
    ["10.0.0.1", undefined, "10.0.0.1", "a proxy that tells nothing is the client itself"],
    ["10.0.0.1", "198.51.100.7", "198.51.100.7", "a proxy tells the client"],
    ["::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7", "a mapped address of a proxy is that proxy"],
    ["10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7", "what stands left of a stranger is invented"],
    ["10.0.0.1", "198.51.100.7, 10.9.9.9", "198.51.100.7", "several proxies in a row"],
    ["10.0.0.1", "10.1.1.1,10.9.9.9", "10.1.1.1", "a client inside the trusted network"],
    ["10.0.0.1", "198.51.100.7, evil", "10.0.0.1", "nonsense next to a proxy is not passed over"],
    ["10.0.0.1", "198.51.100.7, evil, 10.0.0.2", "10.0.0.2", "nonsense behind a proxy is not passed over"],
    ["10.0.0.1", "", "10.0.0.1", "an empty header"],
    ["10.0.0.1", "198.51.100.7:4711", "198.51.100.7", "an address with a port"],
    ["fd00::1", "[2001:DB8::7]:4711", "2001:db8::7", "IPv6 with a port"],
    ["fd00::1", "2001:db8::7", "2001:db8::7", "IPv6"],
    ["10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7", "a mapped client"],
    ["10.0.0.1", Array.from({ length: 40 }, () => "10.0.0.2").join(","), "10.0.0.1", "too many hops"],
    [undefined, "198.51.100.7", "unknown", "a socket that is gone"],
  ] as const) {
    test(`gives ${expected} for ${why}`, () => {
      assert.equal(behindTwo.find(peer, header), expected);
    });
  }

  test("believes nobody by default", () => {
    assert.equal(new ClientAddress([]).find("127.0.0.1", "198.51.100.7"), "127.0.0.1");
  });
});
