"""Lambda: a pool of processes per function, each behind a Runtime API of its own."""
