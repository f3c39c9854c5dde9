"""Attacks on the tool: damaged files, hostile names, killed processes. Each must end with a right result or one line.

Each module has the attacks of one area, in the list ``ATTACKS``.
"""
