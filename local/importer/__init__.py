"""Sends a CSV of interactions through the front door, as a server would, and checks that all was stored."""
