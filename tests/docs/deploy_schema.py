"""The fields of the Compose Specification and of the Kubernetes API that the files in docs/deploy use.

After compose-spec.json (compose-spec.io) and the OpenAPI document of Kubernetes 1.31, cut down to what is used
and strict: an unknown field, or one of another type, is an error.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "integer", "minimum": 0}
NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
QUANTITY: Schema = {"type": "string", "pattern": "^[0-9]+(m|Ki|Mi|Gi)?$"}
YES: Schema = {"const": True}
NO: Schema = {"const": False}


def fields(*required: str, **known: Schema) -> Schema:
    """An object of these fields and no others; without names, all are required."""
    need = list(required) or list(known)
    return {"type": "object", "properties": known, "required": need, "additionalProperties": False}


def many(one: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": one, "minItems": least}


def by_name(one: Schema) -> Schema:
    return {"type": "object", "patternProperties": {"^[a-zA-Z0-9._-]+$": one}, "additionalProperties": False}


DURATION: Schema = {"type": "string", "pattern": "^[0-9]+(ms|s|m)$"}
MOUNTED = fields("source", source=TEXT, uid=TEXT, mode={"const": 0o400})
CONDITION = fields(condition={"enum": ["service_started", "service_healthy"]})
COMPOSE_SERVICE = {
    **fields(
        "user",
        "read_only",
        "cap_drop",
        "security_opt",
        build=TEXT,
        image=TEXT,
        command=many(TEXT),
        user={"type": "string", "pattern": "^[1-9][0-9]*:[1-9][0-9]*$"},
        read_only=YES,
        cap_drop={"const": ["ALL"]},
        security_opt={"const": ["no-new-privileges:true"]},
        pids_limit=NUMBER,
        mem_limit={"type": "string", "pattern": "^[0-9]+[kmg]$"},
        tmpfs=many(TEXT),
        volumes=many(TEXT),
        environment=by_name(TEXT),
        secrets=many(MOUNTED),
        ports=many(TEXT),
        depends_on=by_name(CONDITION),
        healthcheck=fields("test", test=many(TEXT), interval=DURATION),
        stop_grace_period=DURATION,
        restart={"enum": ["no", "always", "on-failure", "unless-stopped"]},
    ),
    "oneOf": [{"required": ["build"]}, {"required": ["image"]}],
}
COMPOSE = fields(
    name=NAME,
    services=by_name(COMPOSE_SERVICE),
    volumes=by_name({"const": {}}),
    secrets=by_name(fields(file=TEXT)),
)

LABELS = by_name(NAME)
PORT = {"oneOf": [NAME, NUMBER]}
PROTOCOL: Schema = {"enum": ["TCP", "UDP"]}
METADATA = fields("name", name=NAME, labels=LABELS)
SELECTOR = fields(matchLabels=LABELS)
PROBE = fields("tcpSocket", tcpSocket=fields(port=PORT), periodSeconds=NUMBER, failureThreshold=NUMBER)
CONTAINER = fields(
    "name",
    "image",
    "securityContext",
    "resources",
    name=NAME,
    image=TEXT,
    args=many(TEXT),
    env=many(fields(name=TEXT, value=TEXT)),
    ports=many(fields(name=NAME, containerPort=NUMBER, protocol=PROTOCOL)),
    readinessProbe=PROBE,
    livenessProbe=PROBE,
    resources=fields("limits", requests=by_name(QUANTITY), limits=by_name(QUANTITY)),
    securityContext=fields(
        allowPrivilegeEscalation=NO,
        readOnlyRootFilesystem=YES,
        capabilities=fields(drop={"const": ["ALL"]}),
    ),
    volumeMounts=many(fields("name", "mountPath", name=NAME, mountPath=TEXT, readOnly=YES)),
)
VOLUME = fields(
    "name",
    name=NAME,
    secret=fields(secretName=NAME, defaultMode={"const": 0o400}),
    emptyDir=fields(medium={"const": "Memory"}, sizeLimit=QUANTITY),
)
POD = fields(
    automountServiceAccountToken=NO,
    terminationGracePeriodSeconds=NUMBER,
    securityContext=fields(
        runAsNonRoot=YES,
        runAsUser=NUMBER | {"minimum": 1},
        runAsGroup=NUMBER | {"minimum": 1},
        fsGroup=NUMBER,
        seccompProfile=fields(type={"const": "RuntimeDefault"}),
    ),
    containers=many(CONTAINER),
    volumes=many(VOLUME),
)
CLAIM = fields(
    metadata=METADATA,
    spec=fields(
        accessModes=many({"enum": ["ReadWriteOnce", "ReadWriteOncePod"]}),
        resources=fields(requests=by_name(QUANTITY)),
    ),
)
SET = fields(
    serviceName=NAME,
    replicas=NUMBER,
    selector=SELECTOR,
    template=fields(metadata=fields(labels=LABELS), spec=POD),
    volumeClaimTemplates=many(CLAIM),
)
SERVICE = fields(
    selector=LABELS,
    sessionAffinity={"enum": ["ClientIP", "None"]},
    ports=many(fields(name=NAME, port=NUMBER, targetPort=PORT, protocol=PROTOCOL)),
)
LET_THROUGH = fields("ports", ports=many(fields(port=PORT, protocol=PROTOCOL)))
NETWORK = fields(
    podSelector=SELECTOR,
    policyTypes=many({"enum": ["Ingress", "Egress"]}),
    ingress=many(LET_THROUGH),
    egress=many(LET_THROUGH),
)


def _kind(version: str, kind: str, spec: Schema) -> Schema:
    return fields(apiVersion={"const": version}, kind={"const": kind}, metadata=METADATA, spec=spec)


KUBERNETES = {
    "Service": _kind("v1", "Service", SERVICE),
    "StatefulSet": _kind("apps/v1", "StatefulSet", SET),
    "NetworkPolicy": _kind("networking.k8s.io/v1", "NetworkPolicy", NETWORK),
}
