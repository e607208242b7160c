"""Who answers: a module a provider, behind one contract; `registry` knows them all by name."""
