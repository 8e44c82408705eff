"""Adapters measured against their retriever."""
