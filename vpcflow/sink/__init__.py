"""Where bulks go: the search engine, its answers, the patience it needs, and the dead letters of what it will never take."""
