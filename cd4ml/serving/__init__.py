"""The inference gateway that goes into the image. It imports nothing else of cd4ml: the image has only this folder."""
