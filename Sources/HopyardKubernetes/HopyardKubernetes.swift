// What a Kubernetes cluster does to its nodes: API objects, controllers, CNI, kube-proxy, DNS.
