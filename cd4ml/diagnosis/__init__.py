"""Finding out what is wrong before it costs time: with what a run is about to do, and with this machine."""
