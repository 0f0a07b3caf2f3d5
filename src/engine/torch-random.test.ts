import assert from "node:assert/strict";
import test from "node:test";
import { TorchRandom } from "./torch-random.ts";

/** `torch.manual_seed(seed); torch.randn(16)` to four places, printed by torch 2.13.0 on a CPU. */
const PUBLISHED = [
  {
    seed: 0,
    values: [
      -1.1258, -1.1524, -0.2506, -0.4339, 0.8487, 0.692, -0.316, -2.1152, 0.3223, -1.2633, 0.35, 0.3081, 0.1198, 1.2377,
      1.1168, -0.2473,
    ],
  },
  {
    seed: 42,
    values: [
      1.9269, 1.4873, 0.9007, -2.1055, 0.6784, -1.2345, -0.0431, -1.6047, -0.7521, 1.6487, -0.3925, -1.4036, -0.7279,
      -0.5594, -0.7688, 0.7624,
    ],
  },
];

for (const { seed, values } of PUBLISHED) {
  test(`TorchRandom.normals() gives the numbers of torch.randn for seed ${seed}`, () => {
    const drawn = [...new TorchRandom(seed).normals(16)];
    assert.deepEqual(drawn.map(toFourPlaces), values);
  });
}

test("TorchRandom.normals() goes on where the last call stopped", () => {
  const whole = new TorchRandom(7).normals(1024);
  const parts = new TorchRandom(7);
  assert.deepEqual([...parts.normals(512), ...parts.normals(512)], [...whole]);
});

test("TorchRandom.normals() draws the last 16 anew when the count is no multiple of 16, as torch does", () => {
  const random = new TorchRandom(3);
  const values = random.normals(20);
  assert.deepEqual([...values.subarray(0, 4)], [...new TorchRandom(3).normals(32).subarray(0, 4)]);
  assert.equal(values.length, 20);
  assert.ok(values.every(Number.isFinite));
});

test("TorchRandom seeds with the low 32 bits", () => {
  assert.deepEqual(new TorchRandom(2 ** 32 + 5).normals(16), new TorchRandom(5).normals(16));
});

test("TorchRandom.normals() gives normal numbers", () => {
  const values = new TorchRandom(2 ** 32 - 1).normals(65_536);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  assert.ok(Math.abs(mean) < 0.02, `mean ${mean}`);
  assert.ok(Math.abs(variance - 1) < 0.02, `variance ${variance}`);
});

function toFourPlaces(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
