"""Engines do the work: plain Python, no Celery, no Redis. Each also runs alone from the command line."""
