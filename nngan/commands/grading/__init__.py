"""Grade the layers of a class: the scheme, the submissions, the marks, and what is written."""
