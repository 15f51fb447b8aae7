"""Runs template.yaml on one machine.

stack      all of it: started in order, stopped in the opposite one
template   what the template says, references resolved
gateway    the HTTP API: routes, authorizers, CORS, throttle
runtime    a pool of processes per function, behind a Lambda Runtime API
triggers   what wakes functions: the events that AWS builds, the queue's event source, schedules
queue      SQS, durable on SQLite
postgres   the embedded database, and who starts it again
control    the routes that only this stack has: /local, /health, the issuer, the Invoke API
importer   `make import`
demo       `make demo`
feeding    what both share: the front door, how long the queue is, what is stored
sam        `make build`: what is deployed, and AWS's emulator that runs it
"""
