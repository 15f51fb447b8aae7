"""The routes that only the local stack has."""
