"""The hosted services, each behind one small class: the identity provider, Stripe, mail."""
