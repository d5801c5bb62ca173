"""What we rely on in the Airflow chart's values and in pods, as JSON schemas that allow no other key."""

TEXT = {"type": "string", "minLength": 1}


def exactly(optional=(), /, **properties):
    """An object with these keys, of which only the optional ones may be missing, and with no other: a typo is found."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def some(item):
    return {"type": "array", "items": item, "minItems": 1}


BY_KEY = exactly(secretKeyRef=exactly(name=TEXT, key=TEXT))
VARIABLE = {"oneOf": [exactly(name=TEXT, value=TEXT), exactly(name=TEXT, valueFrom=BY_KEY)]}
VARIABLES_FROM = {
    "oneOf": [
        exactly(configMapRef=exactly(name=TEXT)),
        exactly(secretRef=exactly(["optional"], name=TEXT, optional={"type": "boolean"})),
    ]
}
POD_SECURITY = exactly(
    runAsNonRoot={"const": True},
    runAsUser={"const": 10001},
    runAsGroup={"const": 10001},
    fsGroup={"const": 10001},
    fsGroupChangePolicy={"enum": ["OnRootMismatch", "Always"]},
    seccompProfile=exactly(type={"const": "RuntimeDefault"}),
)
CONTAINER_SECURITY = exactly(allowPrivilegeEscalation={"const": False}, capabilities=exactly(drop={"const": ["ALL"]}))
AMOUNTS = {
    "cpu": {"type": "string", "pattern": r"^\d+m?$"},
    "memory": {"type": "string", "pattern": r"^\d+[MG]i$"},
    "nvidia.com/gpu": {"const": "1"},
}
RESOURCES = exactly(requests=exactly(["nvidia.com/gpu"], **AMOUNTS), limits=exactly(["nvidia.com/gpu"], **AMOUNTS))
MOUNT = exactly(
    ["readOnly", "subPath"],
    name=TEXT,
    mountPath={"type": "string", "pattern": "^/"},
    readOnly={"type": "boolean"},
    subPath={"type": "string", "pattern": r"^[^/.]"},
)
CLAIM = exactly(name=TEXT, persistentVolumeClaim=exactly(claimName=TEXT))
CONTAINER = exactly(
    name={"const": "base"},  # the executor puts its command into the container of this name
    image=TEXT,
    securityContext=CONTAINER_SECURITY,
    envFrom=some(VARIABLES_FROM),
    env=some(VARIABLE),
    resources=RESOURCES,
    volumeMounts=some(MOUNT),
)
POD = exactly(
    apiVersion={"const": "v1"},
    kind={"const": "Pod"},
    metadata=exactly(name=TEXT, labels={"type": "object", "additionalProperties": TEXT}),
    spec=exactly(
        ["nodeSelector", "tolerations"],
        restartPolicy={"const": "Never"},
        automountServiceAccountToken={"const": False},
        terminationGracePeriodSeconds={"type": "integer", "minimum": 30},
        securityContext=POD_SECURITY,
        nodeSelector={"type": "object", "additionalProperties": TEXT},
        tolerations=some(exactly(key=TEXT, operator={"const": "Exists"}, effect={"const": "NoSchedule"})),
        containers={**some(CONTAINER), "maxItems": 1},
        volumes=some(CLAIM),
    ),
)

COMMAND = some(TEXT)
OFF = exactly(enabled={"const": False})
PROBE = exactly(command=COMMAND)
VALUES = exactly(
    airflowVersion=TEXT,
    defaultAirflowRepository=TEXT,
    defaultAirflowTag=TEXT,
    executor={"const": "KubernetesExecutor"},
    data=exactly(metadataSecretName=TEXT),
    fernetKeySecretName=TEXT,
    apiSecretKeySecretName=TEXT,
    jwtSecretName=TEXT,
    uid={"const": 10001},
    gid={"const": 10001},
    securityContexts=exactly(pod=POD_SECURITY, containers=CONTAINER_SECURITY),
    extraEnvFrom=TEXT,
    extraConfigMaps=exactly(**{"nightcap-environment": exactly(data=TEXT)}),
    volumes=some(CLAIM),
    volumeMounts=some(MOUNT),
    logs=exactly(persistence=exactly(enabled={"const": True}, existingClaim=TEXT)),
    migrateDatabaseJob=exactly(
        args=COMMAND,
        extraVolumes=some(exactly(name=TEXT, secret=exactly(secretName=TEXT))),
        extraVolumeMounts=some(MOUNT),
    ),
    createUserJob=exactly(defaultUser=OFF),
    apiServer=exactly(resources=RESOURCES),
    scheduler=exactly(
        livenessProbe=PROBE,
        startupProbe=PROBE,
        logGroomerSidecar=OFF,
        extraVolumes=some(exactly(name=TEXT, configMap=exactly(name=TEXT))),
        extraVolumeMounts=some(MOUNT),
        resources=RESOURCES,
    ),
    dagProcessor=exactly(enabled={"const": True}, livenessProbe=PROBE, logGroomerSidecar=OFF, resources=RESOURCES),
    triggerer=exactly(livenessProbe=PROBE, logGroomerSidecar=OFF, persistence=OFF, resources=RESOURCES),
    postgresql=OFF,
    redis=OFF,
    statsd=OFF,
)
