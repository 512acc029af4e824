"""What is true now: task records in Redis. Every key in ``keys``, every multi-step change one Lua script."""
