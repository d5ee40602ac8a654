"""Compute (Nova): what its handlers, domain and jobs are handed."""

from __future__ import annotations

from dataclasses import dataclass

from oslo_config import cfg

from cumulet.compute.projects import Projects
from cumulet.kernel.clock import Clock
from cumulet.kernel.db import Database
from cumulet.kernel.environment import Environment
from cumulet.kernel.policy import Policy


@dataclass
class Compute:
    """One process's Compute service, put together by `app.build_service`."""

    env: Environment
    conf: cfg.ConfigOpts
    db: Database
    policy: Policy
    now: Clock
    projects: Projects
