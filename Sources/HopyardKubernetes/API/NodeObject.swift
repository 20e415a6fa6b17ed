public import HopyardContainers
public import HopyardUserland

/// A Node.
public struct NodeObject: Equatable, Sendable {
  /// What keeps pods away.
  public struct Taint: Equatable, Sendable {
    /// The key.
    public var key: String
    /// The value.
    public var value: String
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    public var effect: String
  }

  /// The network of its pods.
  public var podCIDR = ""
  /// Its address.
  public var address = ""
  /// What keeps pods away.
  public var taints: [Taint] = []
  /// `unschedulable`.
  public var isUnschedulable = false
  /// Whether its kubelet runs.
  public var isReady = false

  /// Makes a node without an address.
  public init() {}

  init(_ node: YAMLNode) throws(Problem) {
    if let spec = node["spec"] {
      let fields = try spec.fields("spec")
      try fields.refuseUnknown([
        "podCIDR", "podCIDRs", "providerID", "taints", "unschedulable", "configSource",
        "externalID",
      ])
      podCIDR = try fields["podCIDR"]?.string("spec.podCIDR") ?? ""
      isUnschedulable = try fields["unschedulable"]?.bool("spec.unschedulable") ?? false
      for item in try fields["taints"]?.sequence("spec.taints") ?? [] {
        let part = try item.fields("spec.taints")
        try part.refuseUnknown(["key", "value", "effect", "timeAdded"])
        taints.append(
          Taint(
            key: try part.required("key").string("key"),
            value: part["value"]?.text ?? "",
            effect: try part.required("effect").choice(
              "effect",
              ["NoSchedule", "PreferNoSchedule", "NoExecute"]
            )
          )
        )
      }
    }
    for item in try node["status"]?["addresses"]?.sequence("addresses") ?? []
    where item["type"]?.text == "InternalIP" {
      address = item["address"]?.text ?? ""
    }
  }
}
