"""The schema migration: a Job named by what it runs, so that a new image is a new Job and a repeated one is none."""

from hcs_operator.api.names import MIGRATE
from hcs_operator.api.spec import Stack
from hcs_operator.api.spec_tiers import Resources
from hcs_operator.build import mounts
from hcs_operator.build.context import Context, Document, fingerprint
from hcs_operator.build.metadata import metadata
from hcs_operator.build.pods import SERVICES_USER, Pod, empty_dir, pod_template, security
from hcs_operator.build.tiers import SIZES, environment

_DEADLINE_SECONDS = 900


def migration(stack: Stack, context: Context) -> Document:
    """The Job. A pod template of a Job cannot change, so its fingerprint is in the name."""
    image = context.images["services"]
    volumes = mounts.volumes(stack, MIGRATE)
    container = {
        "name": MIGRATE,
        "image": image,
        "command": ["python3", "-m", "hcs_services", MIGRATE],
        "env": environment(stack, context, MIGRATE),
        "resources": SIZES.with_spec(Resources()),
        "securityContext": security(SERVICES_USER),
        "volumeMounts": [*mounts.mounts(volumes), {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - an emptyDir
    }
    pod = Pod(MIGRATE, [container], [*volumes, empty_dir("tmp", "16Mi")], restart="OnFailure")
    template = pod_template(stack, pod)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(stack, stack.names.migration(fingerprint(template)), MIGRATE),
        "spec": {
            "backoffLimit": 20,
            "activeDeadlineSeconds": _DEADLINE_SECONDS,
            "template": template,
        },
    }
