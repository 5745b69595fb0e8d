"""The story of what runs, as text and as JSON; the page is in `render/html/trace.py`."""
