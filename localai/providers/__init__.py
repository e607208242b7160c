"""The providers, which answer: one module each, behind one contract; `registry` knows them all by
name."""
