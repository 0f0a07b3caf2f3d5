import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { SETTING_NAMES, toSettingExample } from "../src/config/settings-table.ts";
import { findRoute } from "../src/engine/protocol/find-route.ts";
import { RequestGuard } from "../src/http/request-guard.ts";
import { ROUTES } from "../src/http/route-table.ts";
import {
  configOf,
  deploy,
  findManifest,
  isVariable,
  KUSTOMIZATIONS,
  manifestsOf,
  readPackage,
  readSettings,
  root,
} from "./support/deploy-files.ts";
import { renderKustomization, type Manifest } from "./support/kustomize.ts";
import {
  autoscalerShape,
  deploymentShape,
  httpRouteShape,
  inferenceServiceShape,
  MANIFEST_SHAPES,
  mcpServerShape,
  networkPolicyShape,
  routeShape,
  scaledObjectShape,
  serviceShape,
  servingRuntimeShape,
} from "./support/manifest-shapes.ts";
import { readMetricNames } from "./support/prometheus-names.ts";
import { TemporaryFolder } from "./support/server-process.ts";

const OVERLAYS = KUSTOMIZATIONS.filter((folder) => folder.includes("overlays"));

describe("deploy/kubernetes and deploy/kserve", () => {
  for (const folder of KUSTOMIZATIONS) {
    test(`${folder} holds known kinds with known members alone`, () => {
      for (const manifest of manifestsOf(folder)) {
        const shape = MANIFEST_SHAPES[manifest.kind];
        assert.ok(shape, `${manifest.kind} is a kind that is checked`);
        const { success, error } = shape.safeParse(manifest);
        assert.ok(success, `${manifest.kind} ${manifest.metadata.name}: ${error && z.prettifyError(error)}`);
      }
    });

    test(`${folder} is rendered by kubectl as the other tests read it`, (context) => {
      const { status, stdout, error } = spawnSync("kubectl", ["kustomize", join(deploy, folder)], { encoding: "utf8" });
      if (error) return context.skip("kubectl is not installed");
      assert.equal(status, 0);
      const documents = parseAllDocuments(stdout).map((document) => document.toJS());
      const unhashed = JSON.parse(
        JSON.stringify(documents).replaceAll(/"mcp-image-server-[a-z0-9]{10}"/g, '"mcp-image-server"'),
      );
      const byName = (a: Manifest, b: Manifest): number =>
        `${a.kind} ${a.metadata.name}` < `${b.kind} ${b.metadata.name}` ? -1 : 1;
      assert.deepEqual(unhashed.toSorted(byName), [...manifestsOf(folder)].sort(byName));
    });
  }

  test("every folder with a kustomization is one of these, or a component of one", () => {
    const folders = readdirSync(deploy, { recursive: true, encoding: "utf8" })
      .filter((path) => basename(path) === "kustomization.yaml")
      .map((path) => path.replace("/kustomization.yaml", ""))
      .filter((path) => !path.includes("components"));
    assert.deepEqual(folders.sort(), [...KUSTOMIZATIONS].sort());
    const components = readdirSync(join(deploy, "kubernetes/components"));
    const used = OVERLAYS.map((folder) => readFileSync(join(deploy, folder, "kustomization.yaml"), "utf8")).join("\n");
    for (const component of components) assert.match(used, new RegExp(`components/${component}$`, "m"));
  });

  test("every manifest file is read by a kustomization", () => {
    for (const path of readdirSync(deploy, { recursive: true, encoding: "utf8" })) {
      if (!/^(?:kubernetes|kserve)\/.*\.(?:yaml|json)$/.test(path) || basename(path) === "kustomization.yaml") continue;
      const text = readFileSync(join(deploy, path, "../kustomization.yaml"), "utf8");
      assert.ok(text.includes(basename(path)), `deploy/${path}`);
    }
  });

  for (const folder of OVERLAYS) {
    test(`the server starts with the settings of ${folder}, and without a warning`, () => {
      const data = configOf(folder);
      const [container] = findManifest(folder, "Deployment", deploymentShape).spec.template.spec.containers;
      const secrets = (container.env ?? []).map(({ name }) => [name, toExample(name)] as const);
      for (const name of [...Object.keys(data), ...secrets.map(([name]) => name)]) assert.ok(isVariable(name), name);
      const { settings, warnings } = readSettings({ ...data, ...Object.fromEntries(secrets) });
      assert.deepEqual(warnings, []);
      assert.equal(settings.access.auth.mode, "token");
      assert.equal(settings.http.port, container.ports[0]?.containerPort);
    });

    test(`${folder} gives jobs the time to end, and every hop the time for a picture`, () => {
      const data = configOf(folder);
      const { spec } = findManifest(folder, "Deployment", deploymentShape).spec.template;
      const shutdown = Number(data["SHUTDOWN_TIMEOUT"]);
      assert.ok(shutdown >= Number(data["KSERVE_TIMEOUT"]));
      assert.ok(spec.terminationGracePeriodSeconds >= Number(data["DRAIN_DELAY"]) + shutdown + 10);
    });

    test(`${folder} gives metrics a port of their own, which Prometheus alone reaches`, () => {
      const metricsPort = Number(configOf(folder)["METRICS_PORT"]);
      const [container] = findManifest(folder, "Deployment", deploymentShape).spec.template.spec.containers;
      assert.deepEqual(
        container.ports.filter(({ name }) => name === "metrics").map(({ containerPort }) => containerPort),
        [metricsPort],
      );
      const policies = manifestsOf(folder).filter(({ kind }) => kind === "NetworkPolicy");
      const ingress = policies.flatMap((policy) => networkPolicyShape.parse(policy).spec.ingress ?? []);
      const toMetrics = ingress.filter(({ ports }) => ports.some(({ port }) => port === metricsPort));
      assert.equal(toMetrics.length, 1);
      assert.ok((toMetrics[0]?.from ?? []).every(({ namespaceSelector }) => namespaceSelector.matchLabels));
      for (const monitor of manifestsOf(folder).filter(({ kind }) => kind === "ServiceMonitor")) {
        assert.match(JSON.stringify(monitor), /"endpoints":\[\{"port":"metrics","path":"\/metrics"/);
      }
    });

    test(`${folder} lets the pods reach Redis where it names one`, () => {
      const policies = manifestsOf(folder).filter(({ kind }) => kind === "NetworkPolicy");
      const egress = policies.flatMap((policy) => networkPolicyShape.parse(policy).spec.egress ?? []);
      const reachesRedis = egress.some(({ ports }) => ports.some(({ port }) => port === 6379));
      assert.equal(reachesRedis, configOf(folder)["REDIS_URL_FILE"] !== undefined);
    });

    test(`${folder} probes routes that exist, liveness one that looks at nothing outside`, () => {
      const [container] = findManifest(folder, "Deployment", deploymentShape).spec.template.spec.containers;
      const { startupProbe, livenessProbe, readinessProbe, ports } = container;
      assert.deepEqual(
        [startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet.path),
        [ROUTES.getLiveness.path, ROUTES.getLiveness.path, ROUTES.getReadiness.path],
      );
      for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
        assert.ok(ports.some(({ name }) => name === probe?.httpGet.port));
      }
      const service = findManifest(folder, "Service", serviceShape).spec;
      assert.deepEqual(
        service.ports.map(({ targetPort }) => targetPort),
        ports.map(({ name }) => name),
      );
      assert.deepEqual(service.selector, findManifest(folder, "Deployment", deploymentShape).spec.selector.matchLabels);
    });

    test(`${folder} writes nowhere but to its volumes, and mounts what it names`, () => {
      const { spec } = findManifest(folder, "Deployment", deploymentShape).spec.template;
      const [container] = spec.containers;
      const mounted = container.volumeMounts.map(({ name }) => name).sort();
      assert.deepEqual(spec.volumes.map(({ name }) => name).sort(), mounted);
      const data = configOf(folder);
      const files = Object.entries(data).filter(([name]) => /_FILE$|_PATH$/.test(name));
      for (const [name, path] of files) {
        assert.ok(
          container.volumeMounts.some(({ mountPath }) => path.startsWith(mountPath)),
          `${name}=${path} is on a volume`,
        );
      }
    });

    test(`${folder} knows its Service by every name that agents in the cluster may call it by`, () => {
      const { name, namespace } = findManifest(folder, "Service", serviceShape).metadata;
      const guard = new RequestGuard({
        publicBaseUrl: publicUrl(folder),
        allowedHosts: (configOf(folder)["ALLOWED_HOSTS"] ?? "").split(","),
        allowedOrigins: [],
      });
      const names = [
        name,
        `${name}.${namespace}`,
        `${name}.${namespace}.svc`,
        `${name}.${namespace}.svc.cluster.local`,
      ];
      for (const host of names)
        assert.equal(guard.check({ host, origin: undefined, localAddress: "10.1.2.3" }), undefined);
    });

    test(`${folder} finds names in the cluster, through the node's cache of them where there is one`, () => {
      const { egress = [] } = findPolicy(folder, "mcp-image-server");
      const names = egress.find(({ ports }) => ports.some(({ protocol, port }) => protocol === "UDP" && port === 53));
      assert.deepEqual(names?.to, [{ namespaceSelector: {} }, { ipBlock: { cidr: "169.254.20.10/32" } }]);
    });

    test(`${folder} lets a node be emptied, and a session go on with another replica`, () => {
      const budget = manifestsOf(folder).find(({ kind }) => kind === "PodDisruptionBudget");
      assert.deepEqual(z.looseObject({ maxUnavailable: z.int() }).parse(budget?.["spec"]).maxUnavailable, 1);
      assert.equal(readSettings(configOf(folder)).settings.mcp.adoptsSessions, true);
    });

    test(`${folder} has more than one replica, and a store that all of them share`, () => {
      assert.ok(findManifest(folder, "HorizontalPodAutoscaler", autoscalerShape).spec.minReplicas > 1);
      const data = configOf(folder);
      const claim = manifestsOf(folder).some(({ kind }) => kind === "PersistentVolumeClaim");
      assert.ok(data["STORAGE_BACKEND"] === "s3" || claim);
    });
  }

  test("the server starts with the settings of the sample for the MCP Lifecycle Operator, which probes routes that exist", () => {
    const { spec } = findManifest("kubernetes/mcp-lifecycle-operator", "MCPServer", mcpServerShape);
    const { config, runtime } = spec;
    const { settings, warnings } = readSettings(Object.fromEntries(config.env.map(({ name, value }) => [name, value])));
    assert.deepEqual(warnings, []);
    assert.deepEqual([settings.http.port, config.path], [config.port, ROUTES.postMcp.path]);
    const { livenessProbe, readinessProbe } = runtime.health;
    assert.deepEqual(
      [livenessProbe, readinessProbe].map(({ httpGet }) => [httpGet.path, httpGet.port]),
      [ROUTES.getLiveness.path, ROUTES.getReadiness.path].map((path) => [path, config.port]),
    );
    const files = config.env.filter(({ name }) => /_FILE$|_PATH$/.test(name));
    for (const { value } of files)
      assert.ok(
        config.storage.some(({ path }) => value.startsWith(path)),
        value,
      );
    // The operator leaves a pod the 30 seconds that are Kubernetes' default.
    assert.ok(settings.http.shutdownTimeoutSeconds + 5 <= 30);
  });

  test("the hosts of routes are those of PUBLIC_BASE_URL", () => {
    const openshift = findManifest("kubernetes/overlays/openshift", "Route", routeShape);
    assert.equal(publicUrl("kubernetes/overlays/openshift"), `https://${openshift.spec.host}`);
    assert.equal(openshift.metadata.annotations?.["haproxy.router.openshift.io/timeout"], "300s");
    const kubernetes = findManifest("kubernetes/overlays/kubernetes", "HTTPRoute", httpRouteShape);
    assert.deepEqual(
      [publicUrl("kubernetes/overlays/kubernetes")],
      kubernetes.spec.hostnames.map((host) => `https://${host}`),
    );
    assert.deepEqual(kubernetes.spec.rules[0]?.backendRefs, [{ name: "mcp-image-server", port: 80 }]);
  });

  test("the engine's probes, ports, options and times fit together", () => {
    const runtime = findManifest("kserve/engine", "ServingRuntime", servingRuntimeShape);
    const [container] = runtime.spec.containers;
    for (const { httpGet } of [container.readinessProbe, container.livenessProbe]) {
      assert.equal(findRoute("GET", httpGet.path).kind, "server");
      assert.equal(httpGet.port, container.ports[0]?.containerPort);
    }
    const help = execFileSync(process.execPath, [join(root, "src/cli/bin.ts"), "engine", "--help"], {
      encoding: "utf8",
    });
    const [command, ...options] = container.args;
    assert.equal(command, "engine");
    for (const option of options) assert.ok(help.includes(`${option.split("=")[0]} `), option);
    assert.ok(options.includes(`--port=${container.ports[0]?.containerPort}`));
    const { predictor } = findManifest("kserve/engine", "InferenceService", inferenceServiceShape).spec;
    assert.equal(predictor.model.runtime, runtime.metadata.name);
    assert.ok(runtime.spec.supportedModelFormats.some(({ name }) => name === predictor.model.modelFormat.name));
    assert.ok(predictor.timeout >= 60, "not below KSERVE_TIMEOUT");
    const service = findManifest("kserve/engine", "InferenceService", inferenceServiceShape).metadata.name;
    for (const folder of OVERLAYS) {
      const data = configOf(folder);
      assert.match(data["KSERVE_ENDPOINT"] ?? "", new RegExp(`^https?://${service}-predictor\\.models\\.svc`));
    }
  });

  test("KEDA scales the model's Deployment, of which KServe then leaves the number alone", () => {
    const { spec } = findManifest("kserve/engine-keda", "ScaledObject", scaledObjectShape);
    const { metadata } = findManifest("kserve/engine-keda", "InferenceService", inferenceServiceShape);
    assert.equal(spec.scaleTargetRef.name, `${metadata.name}-predictor`);
    assert.equal(metadata.annotations?.["serving.kserve.io/autoscalerClass"], "external");
    assert.ok(readMetricNames(spec.triggers[0]?.metadata.query ?? "").includes("image_queue_depth"));
  });

  for (const file of ["docs/kubernetes.md", "docs/openshift-ai.md"]) {
    const text = readFileSync(join(root, file), "utf8");
    for (const [, yaml = "", name = ""] of text.matchAll(/^```yaml\n(# ([\w-]+)\/kustomization\.yaml\n.*?)^```/gms)) {
      test(`${name} of ${file} is an overlay with what it says`, (context) => {
        using place = new TemporaryFolder();
        symlinkSync(root, join(place.path, "mcp-image-server"));
        const folder = join(place.path, name);
        mkdirSync(folder);
        writeFileSync(join(folder, "kustomization.yaml"), yaml);
        const printed = JSON.stringify(renderKustomization(folder));
        const values = Array.from(
          yaml.matchAll(/^ +(?:- [A-Z_0-9]+=|newName: |value: )"?(.*?)"?$/gm),
          ([, value = ""]) => value,
        );
        assert.ok(values.length >= 3);
        for (const value of values) assert.ok(printed.includes(value), value);
        const { status, stderr, error } = spawnSync("kubectl", ["kustomize", folder], { encoding: "utf8" });
        if (error) return context.skip("kubectl is not installed");
        assert.equal(status, 0, stderr);
      });
    }
  }

  function findPolicy(folder: string, name: string): z.infer<typeof networkPolicyShape>["spec"] {
    const found = manifestsOf(folder).find(({ kind, metadata }) => kind === "NetworkPolicy" && metadata.name === name);
    return networkPolicyShape.parse(found).spec;
  }

  function publicUrl(folder: string): string | undefined {
    return configOf(folder)["PUBLIC_BASE_URL"];
  }

  function toExample(name: string): string {
    const setting = SETTING_NAMES.find((known) => known === name);
    return setting === undefined ? "" : toSettingExample(setting);
  }
});

test("the versions in deploy/ are the version of the package", () => {
  for (const path of readdirSync(deploy, { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith(".yaml")) continue;
    const text = readFileSync(join(deploy, path), "utf8");
    for (const [, tag] of text.matchAll(/(?:mcp-image-server:|newTag: )(\d[^\s"]*)/g))
      assert.equal(tag, readPackage().version, path);
    assert.doesNotMatch(text, /:latest\b/, path);
  }
});
