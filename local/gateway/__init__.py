"""API Gateway HTTP API: routes to functions, with its own errors, authorizers, CORS and throttle."""
