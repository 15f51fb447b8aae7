"""What Footfall costs and how it grows, each against its limit or a peer measured in the same run.

A benchmark is a function in a module of `suite/`, marked with `framework.benchmark`; README.md says how to
read the figures.
"""
