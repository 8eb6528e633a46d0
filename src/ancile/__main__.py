"""``python -m ancile`` is the command line."""

from ancile.cli.main import main

main()
