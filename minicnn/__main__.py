"""python -m minicnn is the command `minicnn`."""
import sys

try:
    from .cli import main
except KeyboardInterrupt:
    print("stopped", file=sys.stderr)
    raise SystemExit(130) from None

raise SystemExit(main())
