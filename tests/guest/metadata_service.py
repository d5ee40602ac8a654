"""Answers one HTTP GET on standard input from files: QEMU starts it for each connection to 169.254.169.254."""

from __future__ import annotations

import sys
from pathlib import Path


def main(folder: Path) -> None:
    """Write the file the request line names under ``folder``, or 404."""
    path = sys.stdin.readline().split(" ")[1]
    page = folder / path.strip("/").replace("/", "+")
    found = page.is_file()
    body = page.read_text() if found else ""
    status = "200 OK" if found else "404 Not Found"
    head = f"HTTP/1.0 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    sys.stdout.write(head + body)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
