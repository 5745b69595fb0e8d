"""The drift worker: prediction events counted in windows of time, and each window judged as detect-drift judges."""
