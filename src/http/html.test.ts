import assert from "node:assert/strict";
import { test } from "node:test";
import { escapeHtml, html } from "./html.ts";

test("html() escapes whatever is put in, in text and in attributes", () => {
  const prompt = `<img src=x onerror="alert('1')"> & more`;
  const escaped = "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt; &amp; more";
  assert.equal(escapeHtml(prompt), escaped);
  assert.equal(html`<p title="${prompt}">${prompt}</p>`.text, `<p title="${escaped}">${escaped}</p>`);
});

test("html() takes its own results as they are, lists part by part, and nothing for undefined and false", () => {
  const items = ["a<", "b"].map((text) => html`<li>${text}</li>`);
  assert.equal(html`${items}${undefined}${false}${0}`.text, "<li>a&lt;</li><li>b</li>0");
  assert.equal(html`${["<", html`<i></i>`]}`.text, "&lt;<i></i>");
});
