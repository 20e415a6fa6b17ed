import HopyardWire

/// What a new cluster runs of its own.
enum SystemManifests {
  static func text(_ cluster: Cluster) -> String {
    let address = cluster.nodes.first?.address.description ?? "192.0.2.1"
    let network = cluster.options.serviceNetwork
    let first = IPv4Address(rawValue: network.address.rawValue + 1)
    var text = """
      apiVersion: v1
      kind: Service
      metadata:
        name: kubernetes
        namespace: default
        labels: {component: apiserver, provider: kubernetes}
      spec:
        clusterIP: \(first)
        ports: [{name: https, port: 443, targetPort: 6443}]
      ---
      apiVersion: discovery.k8s.io/v1
      kind: EndpointSlice
      metadata:
        name: kubernetes
        namespace: default
        labels: {kubernetes.io/service-name: kubernetes}
      addressType: IPv4
      endpoints: [{addresses: ["\(address)"], conditions: {ready: true}}]
      ports: [{name: https, port: 6443}]

      """
    guard cluster.options.hasDNS else { return text }
    text += """
      ---
      apiVersion: v1
      kind: Service
      metadata:
        name: kube-dns
        namespace: kube-system
        labels: {k8s-app: kube-dns, kubernetes.io/name: CoreDNS}
      spec:
        clusterIP: \(cluster.options.dnsAddress)
        selector: {k8s-app: kube-dns}
        ports:
        - {name: dns, port: 53, protocol: UDP}
        - {name: dns-tcp, port: 53, protocol: TCP}
        - {name: metrics, port: 9153, protocol: TCP}
      ---
      apiVersion: apps/v1
      kind: Deployment
      metadata:
        name: coredns
        namespace: kube-system
        labels: {k8s-app: kube-dns}
      spec:
        replicas: 2
        selector: {matchLabels: {k8s-app: kube-dns}}
        template:
          metadata: {labels: {k8s-app: kube-dns}}
          spec:
            dnsPolicy: Default
            tolerations:
            - {key: CriticalAddonsOnly, operator: Exists}
            - {key: node-role.kubernetes.io/control-plane, effect: NoSchedule}
            containers:
            - name: coredns
              image: registry.k8s.io/coredns/coredns:v1.12.0
              args: ["-conf", "/etc/coredns/Corefile"]
              ports:
              - {name: dns, containerPort: 53, protocol: UDP}
              - {name: dns-tcp, containerPort: 53, protocol: TCP}
              - {name: metrics, containerPort: 9153, protocol: TCP}
              readinessProbe: {httpGet: {path: /ready, port: 8181}}

      """
    return text
  }
}
