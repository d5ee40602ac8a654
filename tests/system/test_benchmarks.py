"""`python -m benchmarks` beside a cloud: what it tells, what it leaves, and how it goes on without a cloud."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.system.cloud import TIMEOUT_S, Cloud, environment, request

ROOT = Path(__file__).parents[2]


def test_a_short_run_tells_figures_and_failures_and_leaves_nothing(cloud: Cloud, tmp_path: Path) -> None:
    password = json.loads((cloud.directory / "keys" / "passwords.json").read_text())["admin"]
    url = f"{cloud.url()}/v3" if not cloud.url().endswith("/v3") else cloud.url()
    ours = f"ours={url},admin,{password},{cloud.status()['supervisor_pid']}"
    words = ["--cloud", "nobody=http://127.0.0.1:9/v3,admin,secret", "--cloud", ours, "--only", "identity,placement"]
    words += ["--short", "--rows", "3", "--clients", "2", "--seconds", "0.2", "--json", str(tmp_path / "figures.json")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words, "--markdown", str(tmp_path / "figures.md")],
        cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment(),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    told = json.loads((tmp_path / "figures.json").read_text())
    assert [failure.partition(":")[0] for failure in told["failures"]] == ["nobody"], told["failures"]
    assert {one["service"] for one in told["figures"]} == {"identity", "placement"}
    assert all(one["errors"] == 0 and one["rate"] > 0 for one in told["figures"])
    assert "| placement | put allocations |" in (tmp_path / "figures.md").read_text()

    token = cloud.login()
    for path in ("projects", "users"):
        listed = request("GET", f"{url}/{path}", token=token).json()[path]
        assert not [one["name"] for one in listed if one["name"].startswith("bench")]
    providers = request("GET", f"{cloud.url('placement')}/resource_providers", token=token).json()
    assert not [one for one in providers["resource_providers"] if "BENCH" in one["name"]]
