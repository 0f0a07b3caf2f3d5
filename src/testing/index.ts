/** For tests of your own: mocks, fakes at the wire, and the suite that every storage passes. */
export { createFakeClock, type FakeClock } from "./fake-clock.ts";
export { FakeKServeRuntime, type FakeKServeRuntimeOptions } from "./fake-kserve-runtime.ts";
export { startFakeS3Server, type FakeS3Server } from "./fake-s3-server.ts";
export { MockKServeClient } from "./mock-kserve-client.ts";
export { MockStorage, type MockStorageOptions } from "./mock-storage.ts";
export { testStorage } from "./test-storage.ts";
