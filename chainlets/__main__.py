"""`python -m chainlets`: run, draw, check and begin chains from the command line."""

import sys

if __name__ == "__main__":
    try:
        from chainlets.commands.command_line import leave, main
    except KeyboardInterrupt:
        sys.exit(130)
    leave(main())
