"""Measures what is learned, on any CSV, by the code that serves. Nothing of it is deployed."""
