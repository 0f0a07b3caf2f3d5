import assert from "node:assert/strict";
import { test } from "node:test";
import { PRINTED_DOCUMENTS, renderDocument } from "../scripts/print-docs.ts";

// Proves: ERRORS-2
for (const document of PRINTED_DOCUMENTS) {
  test(`${document.path} holds what the code prints (node scripts/print-docs.ts writes it)`, () => {
    const { expected, actual } = renderDocument(document);
    assert.equal(actual, expected);
  });
}
