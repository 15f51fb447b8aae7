"""A small professional network at /demo/: what a product looks like that Footfall runs behind."""
