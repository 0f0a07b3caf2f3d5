import { z } from "zod";

/**
 * The members of Kubernetes' objects that our manifests use, each as its API reference has it. Everything is strict, so
 * that a member with a wrong name is found here and not in a cluster, which drops it silently.
 */
const labels = z.record(z.string(), z.string());
const matchLabels = z.strictObject({ matchLabels: labels });
const port = z.union([z.int().min(1).max(65_535), z.string()]);
const quantity = z.string().regex(/^\d+(?:\.\d+)?(?:m|Ki|Mi|Gi)?$/);
const protocol = z.enum(["TCP", "UDP"]);

const metadata = z.strictObject({
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/),
  namespace: z.string().optional(),
  labels: labels.optional(),
  annotations: labels.optional(),
});

const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string().startsWith("/"), port }),
  periodSeconds: z.int().positive(),
  timeoutSeconds: z.int().positive().optional(),
  failureThreshold: z.int().positive(),
});

const containerSecurity = z.strictObject({
  runAsNonRoot: z.literal(true).optional(),
  allowPrivilegeEscalation: z.literal(false),
  readOnlyRootFilesystem: z.literal(true),
  capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
  seccompProfile: z.strictObject({ type: z.literal("RuntimeDefault") }).optional(),
});

const keyRef = z.strictObject({ name: z.string(), key: z.string() });

const container = z.strictObject({
  name: z.string(),
  image: z.string().regex(/:\d+\.\d+\.\d+$/, "a version, and never latest"),
  args: z.array(z.string()),
  env: z.array(z.strictObject({ name: z.string(), valueFrom: z.strictObject({ secretKeyRef: keyRef }) })).optional(),
  envFrom: z.array(z.strictObject({ configMapRef: z.strictObject({ name: z.string() }) })).optional(),
  ports: z.array(z.strictObject({ name: z.string(), containerPort: z.int(), protocol: protocol.optional() })),
  startupProbe: probe.optional(),
  livenessProbe: probe,
  readinessProbe: probe,
  resources: z.strictObject({
    requests: z.strictObject({ cpu: quantity, memory: quantity }),
    limits: z.strictObject({ cpu: quantity.optional(), memory: quantity }),
  }),
  securityContext: containerSecurity,
  volumeMounts: z.array(
    z.strictObject({ name: z.string(), mountPath: z.string().startsWith("/"), readOnly: z.boolean().optional() }),
  ),
});

const items = z.array(z.strictObject({ key: z.string(), path: z.string() }));
const volume = z.union([
  z.strictObject({ name: z.string(), emptyDir: z.strictObject({ sizeLimit: quantity }) }),
  z.strictObject({ name: z.string(), secret: z.strictObject({ secretName: z.string(), items }) }),
  z.strictObject({ name: z.string(), persistentVolumeClaim: z.strictObject({ claimName: z.string() }) }),
  z.strictObject({
    name: z.string(),
    projected: z.strictObject({
      sources: z.array(
        z.union([
          z.strictObject({
            serviceAccountToken: z.strictObject({ path: z.string(), expirationSeconds: z.int().min(600) }),
          }),
          z.strictObject({ configMap: z.strictObject({ name: z.string(), items }) }),
        ]),
      ),
    }),
  }),
]);

const podSpec = z.strictObject({
  serviceAccountName: z.string(),
  automountServiceAccountToken: z.literal(false),
  enableServiceLinks: z.literal(false),
  terminationGracePeriodSeconds: z.int(),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true),
    runAsUser: z.int().positive().optional(),
    runAsGroup: z.int().positive().optional(),
    fsGroup: z.int().positive().optional(),
    fsGroupChangePolicy: z.literal("OnRootMismatch").optional(),
    seccompProfile: z.strictObject({ type: z.literal("RuntimeDefault") }),
  }),
  topologySpreadConstraints: z.array(
    z.strictObject({
      maxSkew: z.int(),
      topologyKey: z.string(),
      whenUnsatisfiable: z.enum(["ScheduleAnyway", "DoNotSchedule"]),
      labelSelector: matchLabels,
    }),
  ),
  containers: z.tuple([container]),
  volumes: z.array(volume),
});

export const deploymentShape = z.strictObject({
  apiVersion: z.literal("apps/v1"),
  kind: z.literal("Deployment"),
  metadata,
  spec: z.strictObject({
    selector: matchLabels,
    strategy: z.strictObject({
      type: z.literal("RollingUpdate"),
      rollingUpdate: z.strictObject({ maxUnavailable: z.literal(0), maxSurge: z.int().positive() }),
    }),
    template: z.strictObject({ metadata: metadata.omit({ name: true }), spec: podSpec }),
  }),
});

export const serviceShape = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Service"),
  metadata,
  spec: z.strictObject({
    type: z.literal("ClusterIP"),
    selector: labels,
    ports: z.array(z.strictObject({ name: z.string(), port: z.int(), targetPort: port, protocol })),
  }),
});

export const configMapShape = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("ConfigMap"),
  metadata,
  data: z.record(z.string(), z.string()),
});

export const routeShape = z.strictObject({
  apiVersion: z.literal("route.openshift.io/v1"),
  kind: z.literal("Route"),
  metadata,
  spec: z.strictObject({
    host: z.string(),
    to: z.strictObject({ kind: z.literal("Service"), name: z.string(), weight: z.int() }),
    port: z.strictObject({ targetPort: port }),
    tls: z.strictObject({
      termination: z.enum(["edge", "reencrypt"]),
      insecureEdgeTerminationPolicy: z.enum(["Redirect", "None"]),
    }),
    wildcardPolicy: z.literal("None"),
  }),
});

const duration = z.string().regex(/^\d+(?:ms|s|m|h)$/);

export const httpRouteShape = z.strictObject({
  apiVersion: z.literal("gateway.networking.k8s.io/v1"),
  kind: z.literal("HTTPRoute"),
  metadata,
  spec: z.strictObject({
    parentRefs: z.array(z.strictObject({ name: z.string(), namespace: z.string() })),
    hostnames: z.array(z.string()),
    rules: z.array(
      z.strictObject({
        matches: z.array(
          z.strictObject({ path: z.strictObject({ type: z.literal("PathPrefix"), value: z.string() }) }),
        ),
        timeouts: z.strictObject({ request: duration, backendRequest: duration }),
        backendRefs: z.array(z.strictObject({ name: z.string(), port: z.int() })),
      }),
    ),
  }),
});

const scaleTarget = z.strictObject({
  apiVersion: z.literal("apps/v1"),
  kind: z.literal("Deployment"),
  name: z.string(),
});

export const autoscalerShape = z.strictObject({
  apiVersion: z.literal("autoscaling/v2"),
  kind: z.literal("HorizontalPodAutoscaler"),
  metadata,
  spec: z.strictObject({
    scaleTargetRef: scaleTarget,
    minReplicas: z.int().positive(),
    maxReplicas: z.int().positive(),
    metrics: z.array(
      z.strictObject({
        type: z.literal("Resource"),
        resource: z.strictObject({
          name: z.enum(["cpu", "memory"]),
          target: z.strictObject({ type: z.literal("Utilization"), averageUtilization: z.int() }),
        }),
      }),
    ),
    behavior: z.strictObject({
      scaleDown: z.strictObject({
        stabilizationWindowSeconds: z.int().max(3600),
        policies: z.array(z.strictObject({ type: z.literal("Pods"), value: z.int(), periodSeconds: z.int() })),
      }),
    }),
  }),
});

const selectorPeer = z.strictObject({
  namespaceSelector: z.strictObject({ matchLabels: labels.optional() }),
  podSelector: matchLabels.optional(),
});
const policyPorts = z.array(z.strictObject({ protocol, port: z.int() }));

export const servingRuntimeShape = z.strictObject({
  apiVersion: z.literal("serving.kserve.io/v1alpha1"),
  kind: z.literal("ServingRuntime"),
  metadata,
  spec: z.strictObject({
    supportedModelFormats: z.array(z.strictObject({ name: z.string(), version: z.string(), autoSelect: z.boolean() })),
    protocolVersions: z.array(z.enum(["v1", "v2"])),
    multiModel: z.literal(false),
    containers: z.tuple([container]),
    volumes: z.array(volume),
  }),
});

export const inferenceServiceShape = z.strictObject({
  apiVersion: z.literal("serving.kserve.io/v1beta1"),
  kind: z.literal("InferenceService"),
  metadata,
  spec: z.strictObject({
    predictor: z.strictObject({
      minReplicas: z.int(),
      maxReplicas: z.int(),
      timeout: z.int(),
      containerConcurrency: z.int(),
      model: z.strictObject({
        runtime: z.string(),
        modelFormat: z.strictObject({ name: z.string() }),
        storageUri: z.string().regex(/^(?:pvc|s3|gs|https):\/\//),
      }),
    }),
  }),
});

export const scaledObjectShape = z.strictObject({
  apiVersion: z.literal("keda.sh/v1alpha1"),
  kind: z.literal("ScaledObject"),
  metadata,
  spec: z.strictObject({
    scaleTargetRef: scaleTarget,
    minReplicaCount: z.int(),
    maxReplicaCount: z.int(),
    pollingInterval: z.int(),
    cooldownPeriod: z.int(),
    fallback: z.strictObject({ failureThreshold: z.int(), replicas: z.int() }),
    triggers: z.array(
      z.strictObject({
        type: z.literal("prometheus"),
        metadata: z.strictObject({ serverAddress: z.url(), query: z.string(), threshold: z.string().regex(/^\d+$/) }),
      }),
    ),
  }),
});

export const alertGroupsShape = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string(),
          expr: z.string(),
          for: duration,
          labels: z.strictObject({ severity: z.enum(["critical", "warning"]) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string() }),
        }),
      ),
    }),
  ),
});

export const networkPolicyShape = z.strictObject({
  apiVersion: z.literal("networking.k8s.io/v1"),
  kind: z.literal("NetworkPolicy"),
  metadata,
  spec: z.strictObject({
    podSelector: matchLabels,
    policyTypes: z.array(z.enum(["Ingress", "Egress"])),
    ingress: z.array(z.strictObject({ from: z.array(selectorPeer).optional(), ports: policyPorts })).optional(),
    egress: z
      .array(
        z.strictObject({
          to: z.array(
            z.union([
              selectorPeer,
              z.strictObject({ ipBlock: z.strictObject({ cidr: z.string(), except: z.array(z.string()).optional() }) }),
            ]),
          ),
          ports: policyPorts,
        }),
      )
      .optional(),
  }),
});

const mounted = z.strictObject({
  path: z.string().startsWith("/"),
  permissions: z.enum(["ReadOnly", "ReadWrite"]),
  source: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("EmptyDir"), emptyDir: z.strictObject({ sizeLimit: quantity }) }),
    z.strictObject({ type: z.literal("Secret"), secret: z.strictObject({ secretName: z.string(), items }) }),
  ]),
});

/** Of the MCP Lifecycle Operator; what it hands on to the pod has the shapes of Kubernetes. */
export const mcpServerShape = z.strictObject({
  apiVersion: z.literal("mcp.x-k8s.io/v1alpha1"),
  kind: z.literal("MCPServer"),
  metadata,
  spec: z.strictObject({
    source: z.strictObject({
      type: z.literal("ContainerImage"),
      containerImage: z.strictObject({ ref: container.shape.image }),
    }),
    config: z.strictObject({
      port: z.int(),
      path: z.string().startsWith("/"),
      arguments: z.array(z.string()),
      env: z.array(z.strictObject({ name: z.string(), value: z.string() })),
      storage: z.array(mounted),
    }),
    runtime: z.strictObject({
      replicas: z.int(),
      resources: container.shape.resources,
      security: z.strictObject({
        podSecurityContext: podSpec.shape.securityContext,
        securityContext: containerSecurity,
      }),
      health: z.strictObject({ livenessProbe: probe, readinessProbe: probe }),
    }),
  }),
});

/** Every kind that we have, by its name. */
export const MANIFEST_SHAPES: Readonly<Record<string, z.ZodType>> = {
  ConfigMap: configMapShape,
  Deployment: deploymentShape,
  HTTPRoute: httpRouteShape,
  HorizontalPodAutoscaler: autoscalerShape,
  InferenceService: inferenceServiceShape,
  MCPServer: mcpServerShape,
  NetworkPolicy: networkPolicyShape,
  PersistentVolumeClaim: z.strictObject({
    apiVersion: z.literal("v1"),
    kind: z.literal("PersistentVolumeClaim"),
    metadata,
    spec: z.strictObject({
      accessModes: z.tuple([z.literal("ReadWriteMany")]),
      resources: z.strictObject({ requests: z.strictObject({ storage: quantity }) }),
    }),
  }),
  PodDisruptionBudget: z.strictObject({
    apiVersion: z.literal("policy/v1"),
    kind: z.literal("PodDisruptionBudget"),
    metadata,
    spec: z.strictObject({
      maxUnavailable: z.int().positive(),
      unhealthyPodEvictionPolicy: z.literal("AlwaysAllow"),
      selector: matchLabels,
    }),
  }),
  PrometheusRule: z.strictObject({
    apiVersion: z.literal("monitoring.coreos.com/v1"),
    kind: z.literal("PrometheusRule"),
    metadata,
    spec: alertGroupsShape,
  }),
  Role: z.strictObject({
    apiVersion: z.literal("rbac.authorization.k8s.io/v1"),
    kind: z.literal("Role"),
    metadata,
    rules: z.array(
      z.strictObject({
        apiGroups: z.array(z.string()),
        resources: z.array(z.string()),
        resourceNames: z.array(z.string()),
        verbs: z.tuple([z.literal("get")]),
      }),
    ),
  }),
  RoleBinding: z.strictObject({
    apiVersion: z.literal("rbac.authorization.k8s.io/v1"),
    kind: z.literal("RoleBinding"),
    metadata,
    roleRef: z.strictObject({
      apiGroup: z.literal("rbac.authorization.k8s.io"),
      kind: z.literal("Role"),
      name: z.string(),
    }),
    subjects: z.array(z.strictObject({ kind: z.literal("ServiceAccount"), name: z.string(), namespace: z.string() })),
  }),
  Route: routeShape,
  ScaledObject: scaledObjectShape,
  Service: serviceShape,
  ServiceAccount: z.strictObject({
    apiVersion: z.literal("v1"),
    kind: z.literal("ServiceAccount"),
    metadata,
    automountServiceAccountToken: z.literal(false),
  }),
  ServiceMonitor: z.strictObject({
    apiVersion: z.literal("monitoring.coreos.com/v1"),
    kind: z.literal("ServiceMonitor"),
    metadata,
    spec: z.strictObject({
      selector: matchLabels,
      endpoints: z.array(
        z.strictObject({
          port: z.string(),
          path: z.string().startsWith("/"),
          interval: duration,
        }),
      ),
    }),
  }),
  ServingRuntime: servingRuntimeShape,
};
