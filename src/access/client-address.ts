import { BlockList, isIP, isIPv4 } from "node:net";

const MAX_HOPS = 32;

/**
 * Finds out the address of the client behind the proxies that we trust: `X-Forwarded-For` is read from the right, as
 * each proxy adds the address that it saw at the end, and what stands left of a stranger's address may be invented.
 */
export class ClientAddress {
  readonly #proxies = new BlockList();
  readonly #trustsNobody: boolean;

  /** @param proxies addresses and networks such as `10.0.0.0/8` */
  constructor(proxies: readonly string[]) {
    this.#trustsNobody = proxies.length === 0;
    for (const proxy of proxies) {
      const [address = "", prefix] = proxy.split("/");
      const family = isIPv4(address) ? "ipv4" : "ipv6";
      if (prefix === undefined) this.#proxies.addAddress(address, family);
      else this.#proxies.addSubnet(address, Number(prefix), family);
    }
  }

  /** The nearest address that is none of our proxies; the last known one where a proxy tells nothing usable. */
  find(peer: string | undefined, forwardedFor: string | string[] | undefined): string {
    let address = stripMapping(peer ?? "unknown");
    if (this.#trustsNobody || forwardedFor === undefined || !this.#isProxy(address)) return address;
    const hops = String(forwardedFor).split(",", MAX_HOPS + 1);
    if (hops.length > MAX_HOPS) return address;
    for (const hop of hops.toReversed()) {
      const next = toAddress(hop.trim());
      if (next === undefined) return address;
      address = next;
      if (!this.#isProxy(address)) return address;
    }
    return address;
  }

  #isProxy(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#proxies.check(address, family === 4 ? "ipv4" : "ipv6");
  }
}

/** An address, which some proxies write with a port or in brackets. */
function toAddress(text: string): string | undefined {
  const [, bracketed, v4] = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/.exec(text) ?? [];
  const address = stripMapping(bracketed ?? v4 ?? text);
  return isIP(address) === 0 ? undefined : address.toLowerCase();
}

function stripMapping(address: string): string {
  return address.toLowerCase().startsWith("::ffff:") && isIPv4(address.slice(7)) ? address.slice(7) : address;
}
