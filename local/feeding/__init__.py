"""Sends much through the front door of the local stack: what the importer and the demo share."""
