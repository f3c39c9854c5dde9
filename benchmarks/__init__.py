"""Benchmarks: ``python -m benchmarks NAME --help``. All numbers in the README and the docs come from them."""
