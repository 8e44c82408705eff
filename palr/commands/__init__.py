"""Commands of ``python -m palr`` that are more than a few lines; `palr.__main__` names them all."""
