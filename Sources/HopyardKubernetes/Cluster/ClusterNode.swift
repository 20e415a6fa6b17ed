public import HopyardSimulator
public import HopyardUserland
public import HopyardWire

/// A machine that is a node of a cluster.
public final class ClusterNode {
  /// Its name.
  public let name: String
  /// Its programs and kernel.
  public let userland: Userland
  /// The card by which it reaches the other nodes.
  public let uplink: NetworkDevice
  /// Its address.
  public let address: IPv4Address
  /// The network of its pods.
  public let podNetwork: IPv4Prefix
  let agent: PodNetworkAgent
  let proxy: KubeProxy
  var kubelet: Kubelet!
  var cachedProbeProcess: Process?

  init(
    name: String,
    userland: Userland,
    uplink: NetworkDevice,
    address: IPv4Address,
    podNetwork: IPv4Prefix,
    agent: PodNetworkAgent,
    proxy: KubeProxy
  ) {
    self.name = name
    self.userland = userland
    self.uplink = uplink
    self.address = address
    self.podNetwork = podNetwork
    self.agent = agent
    self.proxy = proxy
  }

  /// The node's own network.
  public var namespace: NetworkNamespace { userland.rootNamespace }
}
