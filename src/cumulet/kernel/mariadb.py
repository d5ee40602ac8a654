"""PyMySQL with a faster way to read rows and to connect.

PyMySQL takes a dozen calls for each value, so that a list of a thousand rows costs more in the driver than in the
server and everything else together. Here all rows that have arrived are taken apart in one loop; whatever is not a
plain row (the end, an error, a row across buffers or of more than 16 MiB) is left to PyMySQL. It uses names PyMySQL
keeps to itself, so where they are not there it is PyMySQL as it is.

Unless told how, PyMySQL speaks TLS with a server that can and believes any certificate; yet it reads those of all the
authorities of the machine for each connection, which takes a hundred times what the rest of connecting does.
"""

from __future__ import annotations

import functools
import ssl
from typing import Any

import sqlalchemy as sa
from pymysql import connections

# What is not published is not typed either.
Connection: Any = connections.Connection
MySQLResult: Any = vars(connections).get("MySQLResult", object)

_NAMES = {
    MySQLResult: ("_read_rowdata_packet", "_check_packet_is_eof", "_read_row_from_packet", "init_unbuffered_query"),
    Connection: ("_read_query_result", "_read_packet"),
}
_FIELDS = ("_rfile", "_next_seq_id")
_HEADER = 4  # length in 3 bytes, sequence number
_WHOLE = 0xFFFFFF  # a packet of this length goes on in the next
_NULL, _TWO_BYTES, _THREE_BYTES = 0xFB, 0xFC, 0xFD
_END, _END_SIZE, _ERROR = 0xFE, 9, 0xFF
_no_code = (lambda: None).__code__


class _Result(MySQLResult):
    connection: Any

    def _read_rowdata_packet(self) -> None:
        connection = self.connection
        rows: list[tuple[Any, ...]] = []
        while True:
            taken = _take_rows(connection, self.converters, rows)
            if not taken:
                packet = connection._read_packet()
                if self._check_packet_is_eof(packet):
                    break
                rows.append(self._read_row_from_packet(packet))
        self.connection = None
        self.affected_rows = len(rows)
        self.rows = tuple(rows)


def _take_rows(connection: Any, converters: list[tuple[str | None, Any]], rows: list[tuple[Any, ...]]) -> bool:
    """Append the whole rows at the front of what has arrived. Returns whether there were any."""
    reader = connection._rfile
    try:
        arrived = reader.peek()
    except OSError:
        return False  # PyMySQL meets it too, and knows what to make of it
    sequence, at, size = connection._next_seq_id, 0, len(arrived)
    while at + _HEADER < size:
        length = arrived[at] | arrived[at + 1] << 8 | arrived[at + 2] << 16
        start, end = at + _HEADER, at + _HEADER + length
        if end > size or length in (0, _WHOLE) or arrived[at + 3] != sequence:
            break
        first = arrived[start]
        if first == _ERROR or (first == _END and length < _END_SIZE):
            break
        rows.append(_row(arrived, start, converters))
        sequence = (sequence + 1) & 0xFF
        at = end
    if at == 0:
        return False
    reader.read(at)
    connection._next_seq_id = sequence
    return True


def _row(data: bytes, at: int, converters: list[tuple[str | None, Any]]) -> tuple[Any, ...]:
    """The values from `at` on, each with its length before it (MySQL's text protocol: ResultsetRow)."""
    row: list[Any] = []
    for encoding, converter in converters:
        length = data[at]
        at += 1
        if length >= _NULL:
            if length == _NULL:
                row.append(None)
                continue
            width = 2 if length == _TWO_BYTES else 3 if length == _THREE_BYTES else 8
            length = int.from_bytes(data[at : at + width], "little")
            at += width
        end = at + length
        value: Any = data[at:end]
        at = end
        if encoding is not None:
            value = value.decode(encoding)
        if converter is not None:
            value = converter(value)
        row.append(value)
    return tuple(row)


@functools.cache
def _believing_any() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Connection(Connection):
    def _create_ssl_ctx(self, options: Any) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._create_ssl_ctx(options) if options else _believing_any()
        return context

    def _read_query_result(self, unbuffered: bool = False) -> Any:
        if unbuffered:
            return super()._read_query_result(unbuffered=True)
        self._result = None
        result = _Result(self)
        result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        return result.affected_rows


def read_rows_fast(engine: sa.Engine) -> bool:
    """Have the engine's connections read rows this way. Returns whether this PyMySQL allows it."""
    written = {name for method in vars(Connection).values() for name in getattr(method, "__code__", _no_code).co_names}
    if not written.issuperset(_FIELDS) or not all(hasattr(kind, name) for kind in _NAMES for name in _NAMES[kind]):
        return False

    @sa.event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return _Connection(*arguments, **options)

    return True
