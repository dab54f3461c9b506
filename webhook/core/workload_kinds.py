"""The kinds of objects that have pods, in two tables: those of Kubernetes, and well-known ones of operators."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_TEMPLATE: Final = ("spec", "template")
_EXTENSIONS: Final = "extensions"  # the API group of these kinds before Kubernetes 1.16; charts still have it


@dataclass(frozen=True)
class WorkloadKind:
    """A kind of objects with pods.

    short: its short names for kubectl. group: of its API, "" for the core. steps: the way to its pod template; a pod is
    its own. old_groups: where the API had it earlier. restarts: whether `kubectl rollout restart` takes it. has_pods:
    whether it has pods or makes them; a PodTemplate only stores a template. version: of its API.
    """

    name: str
    plural: str
    short: tuple[str, ...] = ()
    group: str = ""
    steps: tuple[str, ...] = _TEMPLATE
    old_groups: tuple[str, ...] = ()
    restarts: bool = False
    has_pods: bool = True
    version: str = "v1"

    def path(self, namespace: str, name: str) -> str:
        """Where the API has one object of this kind."""
        api = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{api}/namespaces/{namespace}/{self.plural}/{name}"


WORKLOAD_KINDS: Final = (
    WorkloadKind("Deployment", "deployments", ("deploy",), "apps", old_groups=(_EXTENSIONS,), restarts=True),
    WorkloadKind("StatefulSet", "statefulsets", ("sts",), "apps", restarts=True),
    WorkloadKind("DaemonSet", "daemonsets", ("ds",), "apps", old_groups=(_EXTENSIONS,), restarts=True),
    WorkloadKind("ReplicaSet", "replicasets", ("rs",), "apps", old_groups=(_EXTENSIONS,)),
    WorkloadKind("Job", "jobs", group="batch"),
    WorkloadKind("CronJob", "cronjobs", ("cj",), "batch", ("spec", "jobTemplate", *_TEMPLATE)),
    WorkloadKind("ReplicationController", "replicationcontrollers", ("rc",)),
    WorkloadKind("Pod", "pods", ("po",), steps=()),
    WorkloadKind("PodTemplate", "podtemplates", steps=("template",), has_pods=False),
)
# An operator's, which looks like a Deployment in the cluster.
ROLLOUT: Final = WorkloadKind("Rollout", "rollouts", ("ro",), "argoproj.io", version="v1alpha1")
# Kinds whose pods an operator makes, by group and name, with the places of the labels that their pods get.
# Tekton copies the labels of a run to its pods.
_POD_METADATA: Final = ("spec", "podMetadata", "labels")
_TEMPLATE_LABELS: Final = (*_TEMPLATE, "metadata", "labels")
OPERATOR_KINDS: Final[Mapping[tuple[str, str], tuple[tuple[str, ...], ...]]] = {
    ("argoproj.io", "Rollout"): (_TEMPLATE_LABELS,),
    ("argoproj.io", "Workflow"): (_POD_METADATA,),
    ("argoproj.io", "WorkflowTemplate"): (_POD_METADATA,),
    ("argoproj.io", "ClusterWorkflowTemplate"): (_POD_METADATA,),
    ("argoproj.io", "CronWorkflow"): (("spec", "workflowSpec", "podMetadata", "labels"),),
    ("serving.knative.dev", "Service"): (_TEMPLATE_LABELS,),
    ("serving.knative.dev", "Configuration"): (_TEMPLATE_LABELS,),
    ("sparkoperator.k8s.io", "SparkApplication"): (("spec", "driver", "labels"), ("spec", "executor", "labels")),
    ("sparkoperator.k8s.io", "ScheduledSparkApplication"): (
        (*_TEMPLATE, "driver", "labels"),
        (*_TEMPLATE, "executor", "labels"),
    ),
    ("pkg.crossplane.io", "DeploymentRuntimeConfig"): (("spec", "deploymentTemplate", *_TEMPLATE_LABELS),),
    ("infra.contrib.fluxcd.io", "Terraform"): (("spec", "runnerPodTemplate", "metadata", "labels"),),
    ("monitoring.coreos.com", "Prometheus"): (_POD_METADATA,),
    ("monitoring.coreos.com", "PrometheusAgent"): (_POD_METADATA,),
    ("monitoring.coreos.com", "Alertmanager"): (_POD_METADATA,),
    ("monitoring.coreos.com", "ThanosRuler"): (_POD_METADATA,),
    ("actions.github.com", "AutoscalingRunnerSet"): (_TEMPLATE_LABELS,),
    ("tekton.dev", "TaskRun"): (("metadata", "labels"),),
    ("tekton.dev", "PipelineRun"): (("metadata", "labels"),),
}
_BUILT_IN_GROUPS: Final = {
    *("", "apps", "autoscaling", "batch", "policy", _EXTENSIONS),
    *("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "certificates.k8s.io"),
    *("coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io", "node.k8s.io"),
    *("networking.k8s.io", "rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io"),
}
_BY_GROUP_AND_NAME: Final[Mapping[tuple[str, str], WorkloadKind]] = {
    (group, kind.name): kind for kind in WORKLOAD_KINDS for group in (kind.group, *kind.old_groups)
}


def workload_kind(group: str, name: str) -> WorkloadKind | None:
    """The kind of that name in an API group, or None if it has no pods."""
    return _BY_GROUP_AND_NAME.get((group, name))


def is_built_in(group: str) -> bool:
    """Whether Kubernetes itself has the API group."""
    return group in _BUILT_IN_GROUPS
