"""What a case expects of an answer: the assertions of a suite, each with its reason."""
