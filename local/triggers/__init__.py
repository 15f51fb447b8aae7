"""What wakes functions: the events that AWS builds, the event source of a queue, and schedules."""
