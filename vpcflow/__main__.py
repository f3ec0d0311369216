"""`python -m vpcflow`."""

import sys

from vpcflow.cli.main import main

sys.exit(main())
