"""The pod templates by the schemas that Kubernetes publishes."""

import kubernetes_validate
import pytest

from tests.infra.test_kubernetes import FOLDER, WORKERS, read

VERSIONS = ("1.31", "1.37")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("role", WORKERS)
def test_pod_templates_are_valid_and_an_unknown_key_is_found(role, version):
    pod = read(FOLDER / f"pod-{role}.yaml")
    kubernetes_validate.validate(pod, version, strict=True)
    pod["spec"]["containers"][0]["resource"] = pod["spec"]["containers"][0].pop("resources")
    with pytest.raises(kubernetes_validate.ValidationError, match="'resource' was unexpected"):
        kubernetes_validate.validate(pod, version, strict=True)
