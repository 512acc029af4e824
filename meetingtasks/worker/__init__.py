"""What a service's Celery worker does beyond stock Celery: it stops in a bounded time and loses nothing by it."""
