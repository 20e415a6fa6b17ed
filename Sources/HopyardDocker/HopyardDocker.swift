// What dockerd does to a machine: networks, endpoints, rules, names, compose files.
