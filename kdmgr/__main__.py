"""`python -m kdmgr`."""

import sys

from kdmgr.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
