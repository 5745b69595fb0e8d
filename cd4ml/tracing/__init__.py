"""From what runs back to what it was made of: each module asks one kind of source, `story` puts the answers together.

`subject` is what is asked about, `records` the form of every answer. Nothing is judged here and nothing is changed.
"""
