"""Words of the kubelet and the scheduler for a pod that does not run, as far as anything is judged by them."""

IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
"""The image cannot be had."""
CREATION = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
"""The container cannot be made."""
PLACING = frozenset({"Unschedulable", "SchedulerError"})
"""No node takes the pod."""
CRASH = frozenset({"CrashLoopBackOff", "Crashing"})
"""The container ends again and again; the second is the operator's own word, between two starts."""
