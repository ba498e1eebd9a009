"""python -m minicnn is the command `minicnn`."""
from .cli import main

raise SystemExit(main())
