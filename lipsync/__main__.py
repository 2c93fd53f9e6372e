"""``python -m lipsync`` is the command ``lipsync``."""

import sys

from lipsync.cli import main

sys.exit(main())
