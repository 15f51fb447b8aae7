"""What Postgres stores in no text: NUL, and halves of surrogate pairs."""

import re

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
