import HopyardContainers
import HopyardUserland

/// Makes the Docker hosts and clusters of a scenario.
struct PartBuilder {
  private let network: Network

  init(_ network: Network) { self.network = network }

  /// Makes what needs to be there before links and addresses.
  func make() throws(Problem) {
    for docker in network.scenario.docker {
      guard let place = network.endpoint(docker.machine.name) else { continue }
      network.add(DockerPart(docker, place, network.scenario))
    }
    for cluster in network.scenario.clusters {
      network.add(try ClusterPart(cluster, network.scenario, in: network.simulation))
    }
  }

  /// Starts containers and pods, and waits until they are ready.
  func start() throws(Problem) {
    for case let docker as DockerPart in network.parts { try docker.start(in: network) }
    for case let cluster as ClusterPart in network.parts { try cluster.start(network) }
  }
}
