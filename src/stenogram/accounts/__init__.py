"""Who may do what: API keys. No HTTP in here, so that the command line can use it."""
