"""Durable jobs: rows written with the change that causes them, leased, retried, ended visibly, and purged.

An API process needs `jobs_table`, `enqueue` and `wake`; a handler `Job`, `Retry` and `GiveUp`; a service's
composition root `JobRegistry`. The engine is `cumulet.kernel.engine`.
"""

from cumulet.kernel.jobs.clock import SYSTEM_CLOCK, Clock, SystemClock, as_datetime, microseconds
from cumulet.kernel.jobs.enqueue import enqueue
from cumulet.kernel.jobs.history import Backlog, backlog, get_job, jobs_of, jobs_of_request, purge
from cumulet.kernel.jobs.job import Job, LeaseLost
from cumulet.kernel.jobs.registry import Backoff, GiveUp, JobRegistry, Retry
from cumulet.kernel.jobs.table import DONE, FAILED, QUEUED, RUNNING, JobRow, jobs_table
from cumulet.kernel.jobs.wake import wake

__all__ = [
    "DONE",
    "FAILED",
    "QUEUED",
    "RUNNING",
    "SYSTEM_CLOCK",
    "Backlog",
    "Backoff",
    "Clock",
    "GiveUp",
    "Job",
    "JobRegistry",
    "JobRow",
    "LeaseLost",
    "Retry",
    "SystemClock",
    "as_datetime",
    "backlog",
    "enqueue",
    "get_job",
    "jobs_of",
    "jobs_of_request",
    "jobs_table",
    "microseconds",
    "purge",
    "wake",
]
