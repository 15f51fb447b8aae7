"""The benchmarks: every module in here is found by itself."""
