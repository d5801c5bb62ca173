"""`python -m nightcap`."""

from nightcap.cli import main

main()
