"""The HTTP server: routes over the use cases of ``app``. FastAPI lives here and nowhere else."""
