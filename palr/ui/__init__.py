"""The page: Gradio components and handlers. Nothing outside this package imports gradio."""

import os

# Gradio phones home when it is imported, unless told not to beforehand.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# It sums its statistics up after every event: nobody reads them, and thousands take their time.
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
