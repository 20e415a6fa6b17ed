public import HopyardContainers

extension Cluster {
  /// A pod that runs, as a place for commands.
  public struct PodPlace {
    /// The pod's namespace.
    public let namespace: String
    /// The pod's name.
    public let name: String
    /// The name of the Deployment or other workload to which it belongs; empty for none.
    public let owner: String
    /// Its network and files.
    public let sandbox: Sandbox
  }

  /// The pods that run, in the order of their names.
  public var pods: [PodPlace] {
    nodes.flatMap { node in
      node.kubelet.pods.values.compactMap { running -> PodPlace? in
        guard let sandbox = running.sandbox, !running.isStopped else { return nil }
        var owner = api[running.key]?.meta.owner
        while let key = owner, let above = api[key]?.meta.owner { owner = above }
        return PodPlace(
          namespace: running.key.namespace,
          name: running.key.name,
          owner: owner?.name ?? "",
          sandbox: sandbox
        )
      }
    }.sorted { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
  }
}
