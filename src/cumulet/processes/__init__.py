"""The processes of one cloud: a supervisor, and the API and engine workers that it forks.

    cumulet up ──exec──> supervisor ──fork──> prepare (once), api 1…N, engine
                                    ──exec──> agents

The supervisor loads all code once, single-threaded and without opening a database, so a worker that died is replaced by
a fork in milliseconds and the workers share the memory of the code.
"""
