"""The inference gateway that goes into the image.

The image holds this folder, `cd4ml.model_files`, `cd4ml.errors` and `cd4ml.digests`, and nothing else of cd4ml.
"""
