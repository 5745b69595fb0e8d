"""A client of the OCI distribution API: manifests and blobs of a repository, fetched and sent.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""
