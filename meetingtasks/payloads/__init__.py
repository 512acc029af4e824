"""Arguments and results of every task type, one module per service."""
