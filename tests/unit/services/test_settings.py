from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from hcs_services import command as program
from hcs_services.settings import MissingCredentialError, Settings

SCHEMA = Path(program.__file__).parent / "schema"


def test_the_environment_names_the_contracts_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HCS_STACK": "shop",
        "HCS_TIER": "write-api",
        "HCS_NAMESPACE": "ns",
        "DATABASE_MEMBERS_HOST": "shop-db-0.ns",
        "CACHE_URL": "redis://c:6379/0",
        "MAX_LAG_SECONDS": "2.5",
        "CONSISTENCY_MAX_WAIT_MS": "70",
        "WORKER_CONCURRENCY": "9",
    }.items():
        monkeypatch.setenv(name, value)

    settings = Settings()

    assert (settings.stack, settings.tier, settings.namespace) == ("shop", "write-api", "ns")
    assert (settings.database_members_host, settings.cache_url) == ("shop-db-0.ns", "redis://c:6379/0")
    assert (settings.max_lag_seconds, settings.consistency_max_wait_ms, settings.worker_concurrency) == (2.5, 70, 9)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().stack = "other"  # type: ignore[misc]


def test_a_credential_is_read_anew_each_time(tmp_path: Path) -> None:
    (tmp_path / "queue").mkdir()
    settings = Settings(credentials_dir=tmp_path)

    (tmp_path / "queue" / "password").write_text("old\n")
    assert settings.credential("queue/password") == "old"
    (tmp_path / "queue" / "password").write_text("new")
    assert settings.credential("queue/password") == "new"
    (tmp_path / "next").write_text("one")
    (tmp_path / "next").rename(tmp_path / "queue" / "password")  # as the kubelet puts it in place
    assert settings.credential("queue/password") == "one"


def test_a_key_that_is_mounted_anew_is_used_a_second_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("hcs_services.settings.time.monotonic", lambda: now)
    (tmp_path / "tokens").mkdir()
    file = tmp_path / "tokens" / "task"
    settings = Settings(credentials_dir=tmp_path)
    file.write_text("old")
    assert settings.signing_key("task") == b"old"
    file.write_text("newer")
    now += 0.9
    assert settings.signing_key("task") == b"old"
    now += 0.1
    assert settings.signing_key("task") == b"newer"


def test_a_missing_credential_is_named_without_a_value(tmp_path: Path) -> None:
    settings = Settings(credentials_dir=tmp_path)

    with pytest.raises(MissingCredentialError, match="queue/password"):
        settings.credential("queue/password")
    assert settings.optional_credential("payment/token") is None


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["write-api", "more"]])
def test_a_bad_command_is_one_line_and_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_sigterm_is_heard_before_the_imports_that_take_their_time() -> None:
    watched = """if True:
        import runpy, signal, sys
        real = signal.signal
        def heard(number, handler):
            print(number == signal.SIGTERM, "pydantic" in sys.modules, "uvicorn" in sys.modules)
            real(number, handler)
        signal.signal, sys.argv = heard, ["hcs_services", "nonsense"]
        runpy.run_module("hcs_services", run_name="__main__")
    """
    command, found = [sys.executable, "-c", watched], {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, env=os.environ | found, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split()) == (2, ["True", "False", "False"]), ended.stderr


def test_a_bad_setting_is_one_line_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAX_LAG_SECONDS", "soon")

    assert program.main(["write-api"]) == 2
    line = capsys.readouterr().err
    assert "max_lag_seconds" in line.lower()
    assert len(line.splitlines()) == 1
