"""The command line: one module per noun, every command with examples, ``--json`` and the same exit codes."""
