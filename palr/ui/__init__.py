"""The page: Gradio components and handlers. Nothing outside this package imports gradio."""

import os

# Gradio phones home when it is imported, unless told not to beforehand.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
