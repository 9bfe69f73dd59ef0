"""The database: ``tables`` declares it, ``database`` opens it, and one module per noun holds every query on it."""
