// What Docker and Kubernetes share: sandboxes, address pools, ports, YAML with places.
