"""Runs in the stock clients' own environment: a command a line on standard input, its result a line on standard output.

The `openstack` program itself takes seconds to load; here it is loaded once and run for each command, as itself.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys


def main() -> None:
    from openstackclient import shell

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        given = json.loads(line)
        os.environ.update(given["environment"])
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                program = shell.OpenStackShell()
                code = program.run(given["words"])
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else 1
        answers.write(json.dumps({"code": code or 0, "output": output.getvalue(), "errors": errors.getvalue()}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
