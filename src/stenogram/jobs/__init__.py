"""Durable work: queues that deliver the ids of jobs, workers, and the callbacks that tell of the end."""
