"""What `make` starts leaves the home folder alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hack.cluster import places, tools
from hack.cluster.shell import run

pytestmark = pytest.mark.unit


def test_every_program_is_told_a_place_in_the_cache_for_what_else_would_go_home() -> None:
    seen = json.loads(run(sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"))
    for name in (
        "KUBECACHEDIR",
        "HELM_CACHE_HOME",
        "HELM_CONFIG_HOME",
        "HELM_DATA_HOME",
        "PIP_CACHE_DIR",
        "PYTEST_DEBUG_TEMPROOT",
    ):
        assert places.CACHE in Path(seen[name]).parents, name


def test_no_folder_of_ours_hides_a_module_of_the_standard_library() -> None:
    packages = {file.parent.name for file in places.ROOT.glob("*/__init__.py")}
    assert not packages & sys.stdlib_module_names, "the folder operator/ would take the place of `operator`"


@pytest.mark.parametrize(
    ("environ", "settings"),
    [
        ({"HOME": "/home/ann"}, "/home/ann/.config/go/env"),
        ({"HOME": "/home/ann", "XDG_CONFIG_HOME": "/conf"}, "/conf/go/env"),
        ({"HOME": "/home/ann", "GOENV": "off"}, "off"),
    ],
)
def test_go_keeps_the_users_settings_and_writes_its_counters_to_the_cache(
    environ: dict[str, str], settings: str
) -> None:
    told = tools.go_environment(environ)
    assert told["GOENV"] == settings
    for name in ("XDG_CONFIG_HOME", "GOCACHE", "GOMODCACHE", "GOTMPDIR"):
        assert places.CACHE in Path(told[name]).parents, name
