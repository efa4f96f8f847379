"""What native code writes to stderr, and the reasons in it.

The lines are those of LiteRT 2.3.
"""

import os
import re
import sys
import tempfile
from contextlib import contextmanager

_REASON = re.compile(r"No adapters|[Cc]annot |Could not |only supports|not yet supported|Unsupported")


@contextmanager
def overheard(said):
    """Appends what native code writes to stderr meanwhile, then passes it on."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as heard:
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            heard.seek(0)
            said.append(heard.read().decode(errors="replace"))
            os.write(2, said[-1].encode())


def reasons(said):
    """The lines of a log that say why something failed, as one."""
    lines = [line for line in "".join(said).splitlines() if _REASON.search(line) and "accelerator could" not in line]
    return "; ".join(dict.fromkeys(re.sub(r"^(\w+: )?(\[\S+\] )?\W*", "", line).strip() for line in lines))
