"""Read rows: copy each to its place and check its checksum."""
