"""Campaigns that try to break the library; each module is a program. See `attack.campaign`.

They were written on Linux. Where processes cannot be forked, nothing is tried.
"""

import os

if not hasattr(os, "fork"):
    print("not tried: the attack needs a system that can fork processes")
    raise SystemExit(0)
