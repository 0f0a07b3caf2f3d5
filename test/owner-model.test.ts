import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "@modelcontextprotocol/client";
import { IS_PROOF, report, startLoadedServer } from "./support/loaded-server.ts";
import { createNumbers } from "./support/numbers.ts";

const OPERATIONS = IS_PROOF ? 5_000 : 400;
const SEED = 42;
const NAMES = ["alice", "bob", "carol"] as const;
type Name = (typeof NAMES)[number];
const KEYS: Readonly<Record<Name, string>> = {
  alice: "alice-0123456789abcdefghij",
  bob: "bob-0123456789abcdefghij",
  carol: "carol-0123456789abcdefghij",
};
/** Pictures of each at a time, so that lists stay short. */
const MOST_PICTURES = 8;
const JSON_TYPE = { "content-type": "application/json" };

interface Picture {
  readonly id: string;
  readonly owner: Name;
  /** What nobody else may ever read. */
  readonly prompt: string;
}

test(`${OPERATIONS} operations of three people through tools, routes, doors and the gallery show nobody another's picture`, async () => {
  const entries = NAMES.map((name) => `${name}:${KEYS[name]}`).join("\n");
  const doors = { OPENAI_API: "true", A1111_API: "true" };
  await using server = await startLoadedServer({ AUTH_MODE: "token", API_KEYS: entries, ...doors });
  const clients = new Map<Name, Client>();
  for (const name of NAMES) clients.set(name, await server.connect("modern", KEYS[name]));
  const number = createNumbers(SEED);
  const pictures: Picture[] = [];
  const operations = new Map<string, number>();

  const fetchAs = async (who: Name, path: string, init: RequestInit = {}) => {
    const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${KEYS[who]}` };
    const answer = await fetch(server.url + path, { ...init, headers });
    return { status: answer.status, text: Buffer.from(await answer.arrayBuffer()).toString("latin1") };
  };
  const callTool = async (who: Name, name: string, args: Record<string, unknown>) => {
    const result = await clients.get(who)?.callTool({ name, arguments: args });
    return { isError: result?.isError === true, text: JSON.stringify(result) };
  };
  const postAs = async (who: Name, path: string, body: unknown) =>
    fetchAs(who, path, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(body) });

  /** Each way to make a picture; what it answers. */
  const makers: readonly ((who: Name, prompt: string) => Promise<string>)[] = [
    async (who, prompt) => (await callTool(who, "generate_image", { prompt, width: 64, height: 64 })).text,
    async (who, prompt) => (await postAs(who, "/images/", { prompt, width: 64, height: 64 })).text,
    async (who, prompt) =>
      (await postAs(who, "/v1/images/generations", { prompt, size: "64x64", response_format: "url" })).text,
    async (who, prompt) => (await postAs(who, "/sdapi/v1/txt2img", { prompt, width: 64, height: 64 })).text,
  ];
  /** Each way to look at one picture, or to change it: true when it was found. */
  const looks: Readonly<Record<string, (who: Name, id: string) => Promise<{ found: boolean; text: string }>>> = {
    "GET picture": async (who, id) => toLook(await fetchAs(who, `/images/${id}`)),
    "GET with extension": async (who, id) => toLook(await fetchAs(who, `/images/${id}.png`)),
    "GET thumbnail": async (who, id) => toLook(await fetchAs(who, `/images/${id}/thumbnail?width=64`)),
    "GET metadata": async (who, id) => toLook(await fetchAs(who, `/images/${id}/metadata`)),
    "GET gallery page": async (who, id) =>
      toLook(await fetchAs(who, `/gallery/${id}`, { headers: { accept: "text/html" } })),
    "HEAD picture": async (who, id) => toLook(await fetchAs(who, `/images/${id}`, { method: "HEAD" })),
    get_image: async (who, id) => toCall(await callTool(who, "get_image", { image_id: id })),
    view_image: async (who, id) => toCall(await callTool(who, "view_image", { image_id: id })),
    "POST variations": async (who, id) => toLook(await postAs(who, `/images/${id}/variations`, { count: 99 })),
    "POST keep": async (who, id) => toLook(await fetchAs(who, `/images/${id}/keep`, { method: "POST" })),
    "DELETE keep": async (who, id) => toLook(await fetchAs(who, `/images/${id}/keep`, { method: "DELETE" })),
    keep_image: async (who, id) => toCall(await callTool(who, "keep_image", { image_id: id })),
  };
  const lists: Readonly<Record<string, (who: Name) => Promise<string>>> = {
    "GET /images/": async (who) => (await fetchAs(who, "/images/?limit=100")).text,
    "GET /": async (who) => (await fetchAs(who, "/", { headers: { accept: "text/html" } })).text,
    "GET /?q": async (who) => (await fetchAs(who, "/images/?q=secret")).text,
    "GET /jobs": async (who) => (await fetchAs(who, "/jobs")).text,
    list_images: async (who) => (await callTool(who, "list_images", { limit: 50 })).text,
    "resources/list": async (who) => JSON.stringify(await clients.get(who)?.listResources()),
  };

  const assertNothingOfOthers = (who: Name, text: string, what: string, asked?: string): void => {
    for (const { owner, prompt, id } of pictures) {
      if (owner === who) continue;
      assert.ok(!text.includes(prompt), `${what} told ${who} the prompt of ${owner}`);
      // An id that was asked for may come back in words about it.
      assert.ok(id === asked || !text.includes(id), `${what} told ${who} an id of ${owner}`);
    }
  };

  /** Some ways answer while the picture is still drawn. */
  const findId = async (who: Name, prompt: string): Promise<string> => {
    for (let attempt = 0; attempt < 500; attempt++) {
      const list: { image_id: string; prompt: string }[] = JSON.parse((await fetchAs(who, "/images/?limit=100")).text);
      const made = list.find((image) => image.prompt === prompt);
      if (made !== undefined) return made.image_id;
      await delay(10);
    }
    return assert.fail(`"${prompt}" was not drawn`);
  };

  for (let count = 0; count < OPERATIONS; count++) {
    const who = NAMES[number(NAMES.length)] ?? "alice";
    const mine = pictures.filter(({ owner }) => owner === who);
    const target = pictures[number(Math.max(1, pictures.length))];
    const kind = number(10);
    if (target === undefined || (kind < 2 && mine.length < MOST_PICTURES)) {
      const prompt = `secret of ${who} ${count}`;
      const text = await makers[number(makers.length)]?.(who, prompt);
      assertNothingOfOthers(who, text ?? "", "a maker");
      pictures.push({ id: await findId(who, prompt), owner: who, prompt });
      add(operations, "make");
    } else if (kind === 2) {
      const { found, text } =
        number(2) === 0
          ? toLook(await fetchAs(who, `/images/${target.id}`, { method: "DELETE" }))
          : toCall(await callTool(who, "delete_image", { image_id: target.id }));
      assertNothingOfOthers(who, text, "a deletion", target.id);
      assert.equal(found, target.owner === who, `deletion by ${who} of ${target.owner}: ${text}`);
      if (found) pictures.splice(pictures.indexOf(target), 1);
      add(operations, "delete");
    } else if (kind < 5) {
      const [what, list] = Object.entries(lists)[number(Object.keys(lists).length)] ?? [];
      assert.ok(what !== undefined && list !== undefined);
      assertNothingOfOthers(who, await list(who), what);
      add(operations, what);
    } else {
      const [what, look] = Object.entries(looks)[number(Object.keys(looks).length)] ?? [];
      assert.ok(what !== undefined && look !== undefined);
      const { found, text } = await look(who, target.id);
      assertNothingOfOthers(who, text, what, target.id);
      const isMine = target.owner === who;
      if (!isMine) assert.equal(found, false, `${what} by ${who} of ${target.owner}`);
      else if (what !== "POST variations") assert.equal(found, true, `${what} by ${who}: ${text.slice(0, 300)}`);
      add(operations, what);
    }
  }
  for (const client of clients.values()) await client.close();
  const ways = operations.size;
  report(
    `owner model: ${OPERATIONS} operations of 3 people in ${ways} ways, 0 leaks, ${pictures.length} pictures left`,
  );
});

function toLook({ status, text }: { status: number; text: string }): { found: boolean; text: string } {
  return { found: status < 300, text };
}

function toCall({ isError, text }: { isError: boolean; text: string }): { found: boolean; text: string } {
  return { found: !isError && !text.includes('\\"deleted\\":false'), text };
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
