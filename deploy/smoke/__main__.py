"""`python -m deploy.smoke`."""

import sys

from deploy.smoke.command import main

if __name__ == "__main__":
    sys.exit(main())
