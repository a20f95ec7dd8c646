"""Where tasks are carried out: what a process may use, whether a machine fits, and how work is sent to it.

In: the environment of a process, the members of a cluster. Out: stores, clients and connections; fit machines.
Doors: beside, environment, fitness, here, retries, room, roster, sending, server, software, window.
"""
