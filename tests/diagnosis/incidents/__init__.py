"""Whether incidents are told apart: by real gateways, and at the edges by hand."""
