"""Python loads this when the folder is on PYTHONPATH: what libfaketime leaves broken, made right.

Since Python 3.11 time.sleep() waits for a moment of the monotonic clock. libfaketime 0.9.10 counts from that moment as
if it were a date, and the call fails. Other waits go by another way and are right.
"""

import threading
import time
from typing import SupportsIndex


def _sleep(seconds: "float | SupportsIndex", /) -> None:
    threading.Event().wait(float(seconds))


time.sleep = _sleep
