"""The command line, one file a command: parse, open, stage, record, render, exit code; nothing else."""
