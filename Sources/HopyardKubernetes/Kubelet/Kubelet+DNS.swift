import HopyardContainers
import HopyardServices
import HopyardSimulator
import HopyardUserland
import HopyardWire

/// CoreDNS as a container.
extension Kubelet {
  func startDNS(_ running: RunningPod, _ container: RunningContainer, _ process: Process) {
    let cluster = dnsCluster
    guard let domain = DNSName(cluster.options.domain) else { return }
    var options = ClusterZone.Options()
    options.zones = [
      domain, DNSName(labels: ["in-addr", "arpa"].map { Array($0.utf8) }),
      DNSName(labels: ["ip6", "arpa"].map { Array($0.utf8) }),
    ].compactMap { $0 }
    options.ttl = 30
    options.serverAddresses = [.v4(cluster.options.dnsAddress)]
    let zone = ClusterZone(options, cluster.names)
    let program = Program(in: process.namespace, name: "coredns", pid: Int(process.pid))
    let files = node.userland.files
    let text = (try? files.read("/etc/resolv.conf", for: node.probeProcess)) ?? []
    let servers =
      ((try? PodResolver(parsing: String(decoding: text, as: UTF8.self)))?.nameservers ?? [])
      .compactMap { IPv4Address($0) }.map { SocketAddress($0, 53) }
    let forwarder = servers.isEmpty ? nil : ForwardingResponder(program, to: servers)
    let responder = CoreDNS(zone, forwarder)
    guard let server = try? DNSServer(program, responder: responder) else { return }
    server.start()
    running.dns = server
    running.listened.formUnion([RunningPod.Port(53, .udp), RunningPod.Port(53, .tcp)])
  }
}

/// CoreDNS: the cluster's names, and the others by way of the node's name servers.
final class CoreDNS: DNSResponder {
  private let zone: ClusterZone
  private let forwarder: ForwardingResponder?

  init(_ zone: ClusterZone, _ forwarder: ForwardingResponder?) {
    self.zone = zone
    self.forwarder = forwarder
    zone.upstream = { question in
      var query = DNSMessage(query: question.name, question.type, id: 1)
      query.questions = [question]
      return await forwarder?.respond(
        to: query,
        from: SocketAddress(IPv4Address.loopback, 0),
        over: .udp
      )
    }
  }

  func respond(
    to query: DNSMessage,
    from client: SocketAddress,
    over transport: DNSTransport
  ) async -> DNSMessage? {
    if let question = query.questions.first, let own = zone.zone(of: question.name) {
      let response = await zone.respond(to: query)
      // Reverse names that are not the cluster's are asked of others (`fallthrough`).
      let isReverse = own.description.hasSuffix("arpa.")
      if !(isReverse && response?.responseCode == .nameError && forwarder != nil) {
        var response = response
        response?.offersRecursion = true
        return response
      }
    }
    guard let forwarder else {
      var refused = query.response(.serverFailure)
      refused.offersRecursion = true
      return refused
    }
    return await forwarder.respond(to: query, from: client, over: transport)
  }
}
