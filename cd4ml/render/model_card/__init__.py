"""A model card: what reports prove about a model, beside what people say of it."""
