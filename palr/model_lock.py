"""Models are loaded, and the libraries for them imported, by one thread at a time.

transformers puts another module into its own place while it is imported. A thread that waits for
that gets the one that was there first, which lacks most names. And while a model loads, settings of
the whole process are others, so that one that is loaded beside it can lack weights.
"""

import threading

LOADING = threading.Lock()
