// Scenario files: machines, links, Docker hosts, clusters, steps and expectations.
