"""Image's tables. Times are integer microseconds since 1970 UTC.

What an image's answer shows stands in its row (`properties`, `tags`, `locations` as JSON text), so that showing and
listing read one table. `image_properties` and `image_tags` repeat what a list can be filtered by, as an index:
they are written by `domain.records.reindex` alone, in the transaction that changes the row.
"""

from __future__ import annotations

import sqlalchemy as sa

from cumulet.kernel.columns import flag, identifier, json_text, key, moment, tables_of
from cumulet.kernel.jobs import jobs_table

metadata = sa.MetaData()
_table = tables_of(metadata)

images = _table(
    "images",
    key(),
    sa.Column("name", sa.String(255)),
    sa.Column("status", sa.String(30), nullable=False),
    sa.Column("visibility", sa.String(9), nullable=False),
    sa.Column("owner", sa.String(255)),
    sa.Column("disk_format", sa.String(20)),
    sa.Column("container_format", sa.String(20)),
    sa.Column("size", sa.BigInteger),
    sa.Column("virtual_size", sa.BigInteger),
    sa.Column("min_disk", sa.Integer, nullable=False, default=0),
    sa.Column("min_ram", sa.Integer, nullable=False, default=0),
    flag("protected", False),
    flag("os_hidden", False),
    sa.Column("checksum", sa.String(32)),
    sa.Column("os_hash_algo", sa.String(64)),
    sa.Column("os_hash_value", sa.String(128)),
    moment("created_at", False),
    moment("updated_at", False),
    json_text("properties"),
    json_text("tags"),
    json_text("locations"),
    sa.Column("stores", sa.Text, nullable=False, default=""),  # names of the stores in `locations`, comma separated
    sa.Column("location_count", sa.Integer, nullable=False, default=0),
    # Who is writing data now: a token of the process and when it last said so. Empty while nobody is.
    sa.Column("writer", sa.String(255)),
    moment("writer_seen_at"),
    sa.Column("staged_on", sa.String(255)),  # the node whose staging directory has the data of an image to be imported
    sa.Index("ix_images_created_at", "created_at", "id"),
    sa.Index("ix_images_owner", "owner", "created_at", "id"),
    sa.Index("ix_images_visibility", "visibility", "created_at", "id"),
    sa.Index("ix_images_status", "status"),
)
image_properties = _table(
    "image_properties",
    key("image_id"),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("digest", sa.String(32), nullable=False),  # of name and value: values may be longer than an index's key
    sa.ForeignKeyConstraint(["image_id"], ["images.id"], ondelete="CASCADE"),
    sa.Index("ix_image_properties_digest", "digest"),
)
image_tags = _table(
    "image_tags",
    key("image_id"),
    sa.Column("tag", sa.String(255), primary_key=True),
    sa.ForeignKeyConstraint(["image_id"], ["images.id"], ondelete="CASCADE"),
    sa.Index("ix_image_tags_tag", "tag"),
)
image_members = _table(
    "image_members",
    key("image_id"),
    sa.Column("member_id", sa.String(255), primary_key=True),
    sa.Column("status", sa.String(20), nullable=False),
    moment("created_at", False),
    moment("updated_at", False),
    sa.ForeignKeyConstraint(["image_id"], ["images.id"], ondelete="CASCADE"),
    sa.Index("ix_image_members_member", "member_id", "status"),
)
quota_locks = _table("quota_locks", sa.Column("owner", sa.String(255), primary_key=True))
"""One row an owner whose usage is limited: locked while it is summed up and added to."""

tasks = _table(
    "tasks",
    key(),
    sa.Column("type", sa.String(30), nullable=False),
    sa.Column("status", sa.String(30), nullable=False),
    sa.Column("owner", sa.String(255), nullable=False),
    identifier("image_id", nullable=True, index=True),
    identifier("user_id", nullable=True),
    sa.Column("request_id", sa.String(64)),
    moment("expires_at"),
    moment("created_at", False),
    moment("updated_at", False),
    json_text("input"),
    json_text("result", nullable=True),
    sa.Column("message", sa.Text, nullable=False, default=""),
    sa.Index("ix_tasks_created_at", "created_at", "id"),
    sa.Index("ix_tasks_expires_at", "expires_at"),
)
cached_images = _table(
    "cached_images",
    sa.Column("node", sa.String(255), primary_key=True),  # whose cache directory: worker_self_reference_url or host
    key("image_id"),
    flag("cached", False),  # otherwise queued
    sa.Column("size", sa.BigInteger, nullable=False, default=0),
    sa.Column("hits", sa.Integer, nullable=False, default=0),
    sa.Column("checksum", sa.String(32)),
    moment("last_accessed", False),
    moment("last_modified", False),
    sa.Index("ix_cached_images_image", "image_id"),
)

metadef_namespaces = _table(
    "metadef_namespaces",
    key(),
    sa.Column("namespace", sa.String(80), nullable=False),
    sa.Column("display_name", sa.String(80)),
    sa.Column("description", sa.Text),
    sa.Column("visibility", sa.String(32), nullable=False),
    flag("protected", False),
    sa.Column("owner", sa.String(255), nullable=False),
    moment("created_at", False),
    moment("updated_at", False),
    sa.UniqueConstraint("namespace", name="uq_metadef_namespaces"),
)
metadef_resource_types = _table(
    "metadef_resource_types",
    key(),
    sa.Column("name", sa.String(80), nullable=False),
    moment("created_at", False),
    moment("updated_at", False),
    sa.UniqueConstraint("name", name="uq_metadef_resource_types"),
)
metadef_associations = _table(
    "metadef_associations",
    key("namespace_id"),
    key("resource_type_id"),
    sa.Column("prefix", sa.String(80)),
    sa.Column("properties_target", sa.String(80)),
    moment("created_at", False),
    moment("updated_at", False),
    sa.ForeignKeyConstraint(["namespace_id"], ["metadef_namespaces.id"], ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["resource_type_id"], ["metadef_resource_types.id"], ondelete="CASCADE"),
    sa.Index("ix_metadef_associations_type", "resource_type_id"),
)
metadef_objects = _table(
    "metadef_objects",
    key(),
    identifier("namespace_id"),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("description", sa.Text),
    json_text("required"),
    json_text("properties"),
    moment("created_at", False),
    moment("updated_at", False),
    sa.ForeignKeyConstraint(["namespace_id"], ["metadef_namespaces.id"], ondelete="CASCADE"),
    sa.UniqueConstraint("namespace_id", "name", name="uq_metadef_objects"),
)
metadef_properties = _table(
    "metadef_properties",
    key(),
    identifier("namespace_id"),
    sa.Column("name", sa.String(80), nullable=False),
    json_text("schema"),
    moment("created_at", False),
    moment("updated_at", False),
    sa.ForeignKeyConstraint(["namespace_id"], ["metadef_namespaces.id"], ondelete="CASCADE"),
    sa.UniqueConstraint("namespace_id", "name", name="uq_metadef_properties"),
)
metadef_tags = _table(
    "metadef_tags",
    key(),
    identifier("namespace_id"),
    sa.Column("name", sa.String(80), nullable=False),
    moment("created_at", False),
    moment("updated_at", False),
    sa.ForeignKeyConstraint(["namespace_id"], ["metadef_namespaces.id"], ondelete="CASCADE"),
    sa.UniqueConstraint("namespace_id", "name", name="uq_metadef_tags"),
)

jobs = jobs_table(metadata)
