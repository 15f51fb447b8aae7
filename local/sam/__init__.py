"""What `sam deploy` uploads: built, measured, and run as Lambda runs it."""
