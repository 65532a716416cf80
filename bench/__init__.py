"""Measurements, each beside its limit in one run: `make bench`, or `python -m bench.metering` for one of them."""
