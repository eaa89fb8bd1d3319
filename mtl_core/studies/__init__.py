"""Studies: questions that several runs with several seeds answer, with intervals."""
