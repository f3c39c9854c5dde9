"""Benchmarks: ``python -m benchmarks NAME --help``. Every figure in the README and the docs comes from one."""
