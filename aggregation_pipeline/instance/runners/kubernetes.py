"""RUNNER=kubernetes: each run is a job of Kubernetes, by Dagster's own launcher."""

from dagster._core.launcher import LaunchRunContext
from dagster._serdes import ConfigurableClassData
from dagster_k8s import K8sRunLauncher
from kubernetes.config.config_exception import ConfigException
from yaml import YAMLError

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.instance.run_needs import with_missing_tags
from aggregation_pipeline.settings.base import load_part
from aggregation_pipeline.settings.runner_containers import ContainerSettings

# Where the image has its dagster.yaml.
DAGSTER_HOME = "/srv/aggregation"


class KubernetesLauncher(K8sRunLauncher):
    """Dagster's own, for runs that do not say what they need."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Create the job of a run."""
        run = with_missing_tags(self._instance, context, has_container=True)
        super().launch_run(LaunchRunContext(run, context.workspace))


def build(inst_data: ConfigurableClassData | None) -> KubernetesLauncher:
    """Build the launcher from the environment. The code does not look whether the cluster answers.

    Raises:
        SettingsError: a variable cannot be used, or there is nothing by which the cluster is reached.
    """
    given = load_part(ContainerSettings)
    if problems := given.container_problems("kubernetes"):
        raise SettingsError("; ".join(problems))
    try:
        return _launcher(inst_data, given)
    except (ConfigException, YAMLError, OSError):
        # Their words may hold what the file holds: certificates and tokens.
        path = given.kubernetes_kubeconfig
        raise SettingsError(
            "RUNNER=kubernetes: this process is in no pod, so KUBERNETES_KUBECONFIG has to name the file by which it"
            " reaches the cluster: ~/.kube/config"
            if path is None
            else f"KUBERNETES_KUBECONFIG: {path} is not there, or is no kubeconfig with a current context; `kubectl"
            " --kubeconfig FILE get pods` shows whether it is one"
        ) from None


def _launcher(inst_data: ConfigurableClassData | None, given: ContainerSettings) -> KubernetesLauncher:
    kubeconfig = given.kubernetes_kubeconfig
    return KubernetesLauncher(
        inst_data=inst_data,
        service_account_name=given.kubernetes_service_account,
        instance_config_map=given.kubernetes_config_map or "",
        dagster_home=DAGSTER_HOME,
        job_image=given.run_image,
        image_pull_policy=given.kubernetes_image_pull_policy,
        image_pull_secrets=[{"name": name} for name in given.kubernetes_image_pull_secrets],
        load_incluster_config=kubeconfig is None,
        kubeconfig_file=None if kubeconfig is None else str(kubeconfig),
        job_namespace=given.kubernetes_namespace,
        env_config_maps=list(given.kubernetes_env_config_maps),
        env_secrets=list(given.kubernetes_env_secrets),
        volumes=list(given.kubernetes_volumes),
        volume_mounts=list(given.kubernetes_volume_mounts),
        # Whoever launches a run may give it any tag, and with images, accounts and variables of their choice they would
        # have all that its pod may do and knows.
        only_allow_user_defined_k8s_config_fields={"container_config": {"resources": True}},
        only_allow_user_defined_env_vars=[],
        # A pod of a failed run is a failed pod, as people of Kubernetes expect it.
        fail_pod_on_run_failure=True,
        # Dagster would try a pod that died three times, and each would begin the run anew.
        run_k8s_config={"job_spec_config": {"backoff_limit": 0, "ttl_seconds_after_finished": 86_400}},
    )
