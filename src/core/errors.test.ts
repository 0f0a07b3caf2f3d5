import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, test } from "node:test";
import { getSystemErrorName } from "node:util";
import {
  ConfigurationError,
  ERROR_TABLE,
  KServeError,
  MCPImageError,
  StorageError,
  ValidationError,
  isErrno,
  toMcpImageError,
  toPublicError,
  type ErrorDefinition,
} from "./errors.ts";

describe("ERROR_TABLE", () => {
  // Proves: ERRORS-1
  test("has exactly these codes, each with its status and its advice", () => {
    const pins = Object.entries<ErrorDefinition>(ERROR_TABLE).map(
      ([code, { httpStatus, retryable }]) => `${code} ${httpStatus}${retryable ? " retry" : ""}`,
    );
    assert.deepEqual(pins, [
      "invalid_argument 400",
      "invalid_image_id 400",
      "image_not_found 404",
      "image_exists 409",
      "generation_failed 410",
      "generation_interrupted 410",
      "not_found 404",
      "method_not_allowed 405",
      "forbidden 403",
      "unauthorized 401",
      "insufficient_scope 403",
      "authorization_unavailable 503 retry",
      "rate_limited 429 retry",
      "daily_limit_reached 429 retry",
      "too_many_jobs 429 retry",
      "limits_unavailable 503 retry",
      "url_signature_invalid 403",
      "url_expired 403",
      "forbidden_host 403",
      "forbidden_origin 403",
      "malformed_request 400",
      "request_timeout 408 retry",
      "precondition_failed 412",
      "range_not_satisfiable 416",
      "headers_too_large 431",
      "unsupported_media_type 415",
      "payload_too_large 413",
      "too_many_sessions 503 retry",
      "too_many_watchers 503 retry",
      "shutting_down 503 retry",
      "queue_full 503 retry",
      "queue_timeout 503 retry",
      "cancelled 499",
      "model_not_found 502",
      "model_not_ready 503 retry",
      "upstream_busy 503 retry",
      "upstream_unavailable 503 retry",
      "upstream_timeout 504",
      "upstream_connection_lost 502",
      "upstream_error 502",
      "upstream_rejected 422",
      "upstream_auth_failed 502",
      "upstream_redirected 502",
      "not_a_kserve_endpoint 502",
      "out_of_memory 507 retry",
      "no_image_in_response 502",
      "image_invalid 502",
      "image_too_large 502",
      "signing_failed 500",
      "thumbnails_unavailable 501",
      "thumbnails_busy 503 retry",
      "thumbnail_failed 422",
      "storage_unavailable 503 retry",
      "storage_full 507 retry",
      "storage_write_failed 500 retry",
      "storage_read_failed 500 retry",
      "storage_delete_failed 500 retry",
      "storage_list_failed 500 retry",
      "storage_timeout 504 retry",
      "configuration_invalid 500",
      "internal 500",
    ]);
  });

  test("says each thing in a sentence of its kind", () => {
    for (const [code, { publicMessage, remedy }] of Object.entries<ErrorDefinition>(ERROR_TABLE)) {
      assert.match(code, /^[a-z]+(?:_[a-z]+)*$/);
      assert.match(publicMessage, /^[A-Z][^.]*[^.\s]$/, code);
      assert.match(remedy, /^[A-Z].*\.$/, code);
    }
  });
});

describe("MCPImageError", () => {
  // Proves: ERRORS-1
  test("is the base of the four kinds, each with its name, code, cause and the words of the table", () => {
    const cause = new Error("disk");
    for (const [Kind, name] of [
      [StorageError, "StorageError"],
      [KServeError, "KServeError"],
      [ValidationError, "ValidationError"],
      [ConfigurationError, "ConfigurationError"],
      [MCPImageError, "MCPImageError"],
    ] as const) {
      const error = new Kind("storage_full", "Cannot save the picture: disk is full", { cause });
      assert.ok(error instanceof MCPImageError && error instanceof Error);
      assert.equal(error.name, name);
      assert.equal(String(error), `${name}: Cannot save the picture: disk is full`);
      assert.equal(error.code, "storage_full");
      assert.equal(error.cause, cause);
      assert.equal(error.httpStatus, 507);
      assert.equal(error.retryable, true);
      assert.equal(error.publicMessage, "The image storage is full");
      assert.deepEqual(error.details, {});
    }
  });

  test("takes public words and details of the thrower", () => {
    const error = new ValidationError("invalid_argument", "internal words", {
      publicMessage: "width must be a multiple of 8",
      details: { field: "width", allowed: ["512", "1024"] },
    });
    assert.deepEqual(toPublicError(error), {
      error: "invalid_argument",
      message: "width must be a multiple of 8",
      retryable: false,
      details: { field: "width", allowed: ["512", "1024"] },
    });
  });
});

test("toPublicError() shows neither the message nor the cause nor empty details", () => {
  const error = new StorageError("storage_read_failed", "/srv/secret/path", { cause: new Error("EACCES") });
  assert.deepEqual(toPublicError(error), {
    error: "storage_read_failed",
    message: "The picture could not be read",
    retryable: true,
  });
});

test("toMcpImageError() keeps ours and makes anything else internal, with the original as its cause", () => {
  const ours = new KServeError("upstream_busy", "busy");
  assert.equal(toMcpImageError(ours), ours);
  for (const original of [new TypeError("boom"), "text", undefined, null]) {
    const error = toMcpImageError(original);
    assert.equal(error.code, "internal");
    assert.equal(error.cause, original);
    assert.equal(error.publicMessage, "An internal error occurred");
  }
});

test("isErrno() knows system errors that Node has only a number for", { skip: process.platform === "win32" }, () => {
  for (const code of ["EDQUOT", "ESTALE"] as const) {
    const errno = -constants.errno[code];
    const error = Object.assign(new Error("x"), { errno, code: getSystemErrorName(errno) });
    assert.equal(isErrno(error, "ENOENT", code), true);
    assert.equal(isErrno(error, "ENOENT", "ENOSPC"), false);
  }
});

test("isErrno() looks at the code of a system error and at nothing else", () => {
  const error = Object.assign(new Error("x"), { code: "ENOENT" });
  assert.equal(isErrno(error, "EACCES", "ENOENT"), true);
  assert.equal(isErrno(error, "EACCES"), false);
  assert.equal(isErrno({ code: "ENOENT" }, "ENOENT"), false);
  assert.equal(isErrno(new Error("ENOENT"), "ENOENT"), false);
  assert.equal(isErrno(Object.assign(new Error("x"), { code: 2 }), "2"), false);
});
