import Hopyard

/// What many rules and many connections cost.
enum RuleWorkloads {
  /// A router with `rules` rules that no packet meets.
  static func rules(_ parameters: Workload.Parameters) throws -> Measurement {
    try NetworkWorkloads.batches(parameters) { try $0.ruledRouter(rules: parameters.rules) }
  }

  /// One flow through one of many services.
  static func kubeEstablished(_ parameters: Workload.Parameters) throws -> Measurement {
    try kube(parameters, flows: 1, spread: 1, step: 1, first: 300)
  }

  /// Each packet opens a flow, to one service after the other.
  static func kubeNew(_ parameters: Workload.Parameters) throws -> Measurement {
    let step = parameters.services >= 10_000 ? 3877 : 377
    return try kube(parameters, flows: 1009, spread: parameters.services, step: step, first: 0)
  }

  private static func kube(
    _ parameters: Workload.Parameters,
    flows: Int,
    spread: Int,
    step: Int,
    first: Int
  ) throws -> Measurement {
    let network = BenchmarkNetwork()
    let path = try network.pods()
    let before = Usage.now()
    if let host = network.machine.namespace(named: "sw") {
      try network.load(BenchmarkNetwork.kubeRules(services: parameters.services), into: host)
    }
    let loading = Usage.now().cpuSeconds - before.cpuSeconds
    let receiver = path.to.sockets.makeUDP()
    try receiver.bind(port: 9000)
    let senders = try (0..<flows).map { _ in
      let socket = path.from.sockets.makeUDP()
      try socket.bind(port: 0)
      return socket
    }
    try greet(network.simulation, senders[0], receiver, BenchmarkNetwork.serviceAddress(first))
    let payload = [UInt8](repeating: 0xa5, count: 100)
    let start = Usage.now()
    var left = parameters.packets
    var received = 0
    var flow = 0
    var cursor = 0
    while left > 0 {
      let count = min(64, left)
      for _ in 0..<count {
        let service = BenchmarkNetwork.serviceAddress(first + cursor)
        try senders[flow].send(payload, to: service, port: 9000)
        cursor = (cursor + step) % spread
      }
      left -= count
      flow = (flow + 1) % flows
      network.simulation.run(until: network.simulation.now + .milliseconds(1))
      while receiver.receive() != nil { received += 1 }
    }
    let seconds = Usage.now().cpuSeconds - start.cpuSeconds
    guard received == parameters.packets else {
      throw Options.Failure(message: "only \(received) of \(parameters.packets) datagrams arrived")
    }
    var measurement = Measurement()
    let hops = Double(received * path.hops)
    measurement.record("delivered", Double(received))
    measurement.record("rules_load_s", loading)
    measurement.record("run_cpu_s", seconds)
    measurement.record("ns_per_hop_cpu", seconds * 1e9 / hops)
    measurement.record("peak_rss_kb", Double(Usage.now().residentKB))
    return measurement
  }

  private static func greet(
    _ simulation: Simulation,
    _ sender: UDPSocket,
    _ receiver: UDPSocket,
    _ service: IPv4Address
  ) throws {
    for _ in 0..<5 {
      try sender.send([0], to: service, port: 9000)
      simulation.run(until: simulation.now + .seconds(1))
      while let datagram = receiver.receive() {
        try receiver.send(
          [0],
          to: datagram.source,
          port: datagram.sourcePort,
          from: datagram.destination
        )
      }
      simulation.run(until: simulation.now + .seconds(1))
      while sender.receive() != nil {}
    }
  }

  /// A router that tracks `entries` connections: what each takes, and what a packet of one costs.
  static func conntrack(_ parameters: Workload.Parameters) throws -> Measurement {
    let network = BenchmarkNetwork()
    let path = try network.chain(routers: 1)
    // On Linux this limit is the whole machine's, and no namespace's to set.
    network.machine.namespace(named: "r1")?.netfilter.connections.settings.max = 4_000_000
    try network.run("ip netns exec r1 sysctl -w net.netfilter.nf_conntrack_udp_timeout=100000")
    try network.run("ip -n b route add local 11.0.0.0/8 dev lo")
    try network.run("ip netns exec r1 iptables -A FORWARD -m conntrack --ctstate NEW -j ACCEPT")
    let receiver = path.to.sockets.makeUDP()
    try receiver.bind(port: 9000)
    let sender = path.from.sockets.makeUDP()
    func send(_ numbers: some Sequence<UInt32>) throws {
      var inBatch = 0
      for number in numbers {
        try sender.send([0], to: IPv4Address(rawValue: 0x0b00_0000 + number), port: 9000)
        inBatch += 1
        if inBatch == 64 { flush(&inBatch) }
      }
      flush(&inBatch)
    }
    func flush(_ inBatch: inout Int) {
      inBatch = 0
      network.simulation.run(until: network.simulation.now + .microseconds(20))
      while receiver.receive() != nil {}
    }
    try send(0..<1)
    network.simulation.run(until: network.simulation.now + .seconds(1))
    let before = Usage.now()
    let entries = UInt32(parameters.entries)
    try send(1..<entries)
    let full = Usage.now()
    var state: UInt64 = 1
    let start = Usage.now()
    try send(
      (0..<parameters.packets).lazy.map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt32(truncatingIfNeeded: state >> 33) % entries
      }
    )
    let after = Usage.now()
    let count = network.machine.namespace(named: "r1")?.netfilter.connections.count ?? 0
    guard count == parameters.entries else {
      throw Options.Failure(message: "\(count) of \(entries) connections are tracked")
    }
    var measurement = Measurement()
    let grown = Double(full.residentKB - before.residentKB) * 1024
    measurement.record("entries", Double(count))
    measurement.record("bytes_per_entry", grown / Double(entries))
    measurement.record(
      "ns_per_new",
      (full.cpuSeconds - before.cpuSeconds) * 1e9 / Double(entries)
    )
    measurement.record(
      "ns_per_operation",
      (after.cpuSeconds - start.cpuSeconds) * 1e9 / Double(max(1, parameters.packets))
    )
    return measurement
  }
}
