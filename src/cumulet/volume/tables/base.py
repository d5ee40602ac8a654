"""What every table of Volume is made with. Times are microseconds since 1970 UTC, sizes GiB."""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import tables_of
from cumulet.kernel.jobs import jobs_table

metadata = sa.MetaData()
table = tables_of(metadata)
jobs = jobs_table(metadata)
