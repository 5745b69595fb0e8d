"""Reports as evidence: does what earlier stages wrote allow this very image to be deployed?"""
