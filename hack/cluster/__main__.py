"""`python3 -m hack.cluster up|images|status|logs|down|clean`: the local cluster and what runs in it. `make` has a
target for each.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Mapping

from hack.cluster import (
    choice,
    daemon,
    diagnosis,
    first_order,
    images,
    install,
    kind,
    loading,
    node_image,
    places,
    tools,
)
from hack.cluster.choice import Source
from hack.cluster.console import Refusal, die, say, step
from hack.cluster.docker import CommandFailed, Docker
from hack.cluster.install import Cluster
from hack.cluster.kind import Kind
from hack.cluster.lock import one_at_a_time


def up() -> None:
    """A cluster, the operator, the samples, a stack, a first order."""
    cluster, tags = prepare()
    install.operator(cluster, tags)
    install.samples(cluster, tags)
    install.stack(cluster, tags)
    if choice.external():
        with cluster.forwarded(install.NAMESPACE, f"{install.STACK}-gateway", 8080) as gateway:
            first_order.place(gateway)
        say(f"gateway: kubectl --namespace {install.NAMESPACE} port-forward service/{install.STACK}-gateway 8080")
    else:
        # Before the order: they are what a failed one is looked into with.
        for name, address in first_order.ADDRESSES.items():
            say(f"{name}: {address}")
        first_order.place(first_order.ADDRESSES["gateway"])
    say(f'use it: export KUBECONFIG={cluster.kubeconfig} PATH="{cluster.programs}:$PATH"')


def cluster_and_images() -> None:
    """A cluster with the images of this tree in it, and their tags."""
    _, tags = prepare()
    for name, tag in sorted(tags.items()):
        print(f"{name}={tag}")


def prepare() -> tuple[Cluster, Mapping[str, str]]:
    """A cluster that answers and every image where its pods find it: name → reference."""
    with one_at_a_time():
        return _prepare()


def _prepare() -> tuple[Cluster, Mapping[str, str]]:
    if external := choice.external():
        say(f"using the cluster of {external.kubeconfig}; images go to {external.registry}")
        source = choice.docker_only()
        tags = images.all_of_a_stack(source.docker, official=source.official)
        names = loading.to_registry(source.docker, external.registry, tags.values())
        return Cluster(tools.clients(), external.kubeconfig), {name: names[tag] for name, tag in tags.items()}
    source = choice.docker_only()
    ours = kind_of(source)
    ours.ensure()
    tags = images.all_of_a_stack(source.docker, official=source.official)
    loading.into_nodes(source.docker, ours.nodes(), tags.values())
    return Cluster(ours.programs, places.KUBECONFIG), tags


def kind_of(source: Source) -> Kind:
    """Kind with the upstream node where there is a registry, else with ours."""
    if source.official:
        return Kind(source.docker, tools.clients(), choice.KIND_NODE, built=False)
    return Kind(source.docker, tools.ensure(tools.KUBERNETES_AND_FRIENDS), node_image.ensure(source.docker), built=True)


def status() -> None:
    """What runs."""
    if choice.external() is None and not places.KUBECONFIG.exists():
        say("no cluster of ours runs; `make up` makes one")
        return
    cluster = running()
    for words in (["get", "nodes"], ["get", "hcs", "--all-namespaces"], ["get", "pods", "--all-namespaces"]):
        print(cluster.kubectl(*words))


def running() -> Cluster:
    """The cluster that is there."""
    external = choice.external()
    return Cluster(tools.clients(), external.kubeconfig if external else places.KUBECONFIG)


def logs() -> None:
    """Everything that tells what happened, into .artifacts/."""
    if choice.external() is None and not places.KUBECONFIG.exists():
        say("no cluster of ours runs; there is nothing to collect")
        return
    with step(f"collecting logs into {places.ARTIFACTS}"):
        diagnosis.collect(running(), places.ARTIFACTS)


def down() -> None:
    """Removes what `make up` made: in a cluster of the user's what it installed there, and all that is ours on this
    machine.
    """
    if external := choice.external():
        install.uninstall(Cluster(tools.clients(), external.kubeconfig))
    remove_ours()


def remove_ours() -> None:
    """Removes our cluster, private daemon, networks and kubeconfig, no other make beside it; a cluster of the user's is
    not looked at.
    """
    with one_at_a_time():
        _remove_ours()


def _remove_ours() -> None:
    theirs = Docker()
    if not places.RUN.exists() and not places.KUBECONFIG.exists():
        say("nothing of ours runs on this machine")
        return
    daemon.stop()
    if theirs.answers():
        kind.delete(theirs)
    places.KUBECONFIG.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # something of the user's is in it, or it is not there
        places.KUBECONFIG.parent.rmdir()
    shutil.rmtree(places.RUN, ignore_errors=True)


def clean() -> None:
    """`down`, and the cache goes too: the next `make up` builds everything anew."""
    down()
    with one_at_a_time(), step(f"removing {places.CACHE}"):
        shutil.rmtree(places.CACHE, ignore_errors=True)


COMMANDS: dict[str, Callable[[], None]] = {
    "up": up,
    "images": cluster_and_images,
    "status": status,
    "logs": logs,
    "down": down,
    "clean": clean,
}


def main(arguments: list[str]) -> None:
    """Runs one command; a failure is one clear line or the failed program's own words."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        die(f"one of {', '.join(COMMANDS)} is wanted")
    command = arguments[0]
    try:
        COMMANDS[command]()
    except (CommandFailed, Refusal) as error:
        hint = "\n`make logs` collects what the cluster says" if command == "up" and places.KUBECONFIG.exists() else ""
        die(f"make {command}: {error}{hint}")
    except KeyboardInterrupt:
        die(f"make {command} was interrupted; it can be repeated")
    except BrokenPipeError:  # `make status | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main(sys.argv[1:])
