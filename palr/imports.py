"""Large libraries are imported by one thread at a time.

transformers puts another module into its own place while it is imported. A thread that waits for
that gets the one that was there first, which lacks most names.
"""

import threading

IMPORTING = threading.RLock()
