import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { ROUTES } from "../src/http/route-table.ts";
import { deploy, findManifest, manifestsOf } from "./support/deploy-files.ts";
import { readYaml } from "./support/kustomize.ts";
import { alertGroupsShape, scaledObjectShape, serviceShape } from "./support/manifest-shapes.ts";
import { listMetricNames, readMetricNames } from "./support/prometheus-names.ts";

const dashboardShape = z.looseObject({
  uid: z.string(),
  panels: z.array(
    z.looseObject({
      id: z.int(),
      title: z.string(),
      gridPos: z.strictObject({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
      targets: z.array(z.looseObject({ expr: z.string(), refId: z.string() })).min(1),
    }),
  ),
});

describe("deploy/ for Prometheus and Grafana", () => {
  const alerts = alertGroupsShape.parse(readYaml(join(deploy, "prometheus/alerts.yaml")));

  test("the PrometheusRule holds the rules of prometheus/alerts.yaml", () => {
    const rule = manifestsOf("kubernetes/overlays/openshift").find(({ kind }) => kind === "PrometheusRule");
    assert.deepEqual(rule?.["spec"], alerts);
  });

  test("every metric of the alerts, the dashboard and the autoscaler exists", async () => {
    const known = await listMetricNames();
    const dashboard = readDashboard();
    const { triggers } = findManifest("kserve/engine-keda", "ScaledObject", scaledObjectShape).spec;
    const expressions = [
      ...alerts.groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
      ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
      ...triggers.map(({ metadata }) => metadata.query),
    ];
    for (const expression of expressions) {
      const names = readMetricNames(expression);
      assert.ok(names.length > 0, expression);
      // `up` is Prometheus's own.
      for (const name of names) assert.ok(name === "up" || known.has(name), `${name} in ${expression}`);
    }
  });

  test("alerts are raised when no replica is left, and while the circuit goes to and fro", () => {
    const exprOf = (name: string): string =>
      alerts.groups.flatMap(({ rules }) => rules).find(({ alert }) => alert === name)?.expr ?? "";
    assert.match(exprOf("ImageServerDown"), /== 0 or absent\(up\{job="mcp-image-server"\}\)$/);
    assert.match(exprOf("ImageModelCircuitOpen"), /max_over_time\(upstream_circuit_state\[5m\]\)\) == 2$/);
  });

  test("readMetricNames() finds metrics beside functions, labels and ranges", () => {
    assert.deepEqual(
      readMetricNames(
        'sum by (job, le) (rate(a_bucket{job="x",le=~"b|c"}[5m])) / on (job) max(d_total offset 5m) > 0.5 and e',
      ),
      ["a_bucket", "d_total", "e"],
    );
  });

  test("alerts have names of their own, and panels ids and places of their own", () => {
    const names = alerts.groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));
    assert.equal(new Set(names).size, names.length);
    const { panels } = readDashboard();
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    for (const { gridPos, title } of panels) {
      const overlapping = panels.filter(
        (other) =>
          gridPos.x < other.gridPos.x + other.gridPos.w &&
          other.gridPos.x < gridPos.x + gridPos.w &&
          gridPos.y < other.gridPos.y + other.gridPos.h &&
          other.gridPos.y < gridPos.y + gridPos.h,
      );
      assert.equal(overlapping.length, 1, title);
      assert.ok(gridPos.x + gridPos.w <= 24, title);
    }
  });

  test("Prometheus scrapes the port and path of the metrics", () => {
    const monitor = manifestsOf("kubernetes/overlays/openshift").find(({ kind }) => kind === "ServiceMonitor");
    const endpoints = z.looseObject({ endpoints: z.array(z.looseObject({ path: z.string(), port: z.string() })) });
    const [endpoint] = endpoints.parse(monitor?.["spec"]).endpoints;
    assert.equal(endpoint?.path, ROUTES.getMetrics.path);
    const ports = findManifest("kubernetes/overlays/openshift", "Service", serviceShape).spec.ports;
    assert.ok(ports.some(({ name }) => name === endpoint?.port));
  });

  function readDashboard(): z.infer<typeof dashboardShape> {
    const text = readFileSync(join(deploy, "kubernetes/components/monitoring/dashboard.json"), "utf8");
    return dashboardShape.parse(JSON.parse(text));
  }
});
