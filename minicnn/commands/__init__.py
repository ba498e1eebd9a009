"""The subcommands of `minicnn`: a file each, see cli.py.  Files whose name starts with _ are shared by several."""
