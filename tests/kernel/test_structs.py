"""Many threads that read into the same Struct for the first time."""

from __future__ import annotations

import subprocess
import sys

RACE = """
import sys, threading
import msgspec
from cumulet.kernel import structs

THREADS, KINDS, INNER = 8, 100, 6
sys.setswitchinterval(1e-6)  # threads take turns as often as they can
made = {"msgspec": msgspec}
for n in range(KINDS):
    for i in range(INNER):
        exec(f"class Inner{n}_{i}(msgspec.Struct):\\n a: int = 0\\n b: list[str] | None = None", made)
    fields = "".join(f" f{i}: Inner{n}_{i} | None = None\\n" for i in range(INNER))
    exec(f"class Outer{n}(msgspec.Struct):\\n{fields}", made)
exec("class Unreadable(msgspec.Struct):\\n a: 'NotDefinedAnywhere'", made)
structs.describe()
together = threading.Barrier(THREADS)
read = []

def work():
    for n in range(KINDS):
        together.wait()
        read.append(msgspec.convert({"f0": {"a": 1}, "f5": {"b": ["x"]}}, made[f"Outer{n}"]).f5.b)

threads = [threading.Thread(target=work) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert read == [["x"]] * (THREADS * KINDS)
"""


def test_described_structs_can_be_read_into_by_many_threads_at_once() -> None:
    """Without `describe` this dies by SIGSEGV every time (msgspec 0.22)."""
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
