"""The commands of the command line: each a parser and one call of a public function."""
