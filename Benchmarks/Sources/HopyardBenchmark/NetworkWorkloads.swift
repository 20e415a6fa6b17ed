import Hopyard

/// UDP datagrams of 100 bytes from one end of a network to the other.
enum NetworkWorkloads {
  static func veth(_ parameters: Workload.Parameters) throws -> Measurement {
    try batches(parameters) { try $0.veth() }
  }

  static func bridge(_ parameters: Workload.Parameters) throws -> Measurement {
    try batches(parameters) { try $0.bridge() }
  }

  static func chain(_ parameters: Workload.Parameters) throws -> Measurement {
    try batches(parameters) { try $0.chain(routers: 8) }
  }

  static func chainEstablished(_ parameters: Workload.Parameters) throws -> Measurement {
    try batches(parameters) { try $0.firewalledChain(establishedFirst: true) }
  }

  static func chainScan(_ parameters: Workload.Parameters) throws -> Measurement {
    try batches(parameters) { try $0.firewalledChain(establishedFirst: false) }
  }

  static func streamBridge(_ parameters: Workload.Parameters) throws -> Measurement {
    try stream(parameters) { try $0.bridge() }
  }

  static func streamChain(_ parameters: Workload.Parameters) throws -> Measurement {
    try stream(parameters) { try $0.chain(routers: 8) }
  }

  /// Ten seconds in the life of hosts that do nothing: what each costs in memory.
  static func idle(_ parameters: Workload.Parameters) throws -> Measurement {
    let before = Usage.now()
    let network = BenchmarkNetwork(hasCommands: false)
    try network.mesh(hosts: parameters.hosts)
    let ready = Usage.now()
    network.simulation.run(until: network.simulation.now + .seconds(10))
    let after = Usage.now()
    var measurement = Measurement()
    measurement.record("hosts", Double(parameters.hosts))
    measurement.record("setup_cpu_s", ready.cpuSeconds - before.cpuSeconds)
    measurement.record("run_cpu_s", after.cpuSeconds - ready.cpuSeconds)
    let grown = Double(max(after.residentKB, ready.residentKB) - before.residentKB) * 1024
    measurement.record("bytes_per_host", grown / Double(max(1, parameters.hosts)))
    return measurement
  }

  /// As the kernel's program does: a batch is sent, then received.
  static func batches(
    _ parameters: Workload.Parameters,
    _ build: (BenchmarkNetwork) throws -> BenchmarkNetwork.Path
  ) throws -> Measurement {
    try measure(parameters, build) { simulation, ends in
      var left = parameters.packets
      var received = 0
      while left > 0 {
        let count = min(64, left)
        for _ in 0..<count { try ends.sender.send(ends.payload) }
        left -= count
        simulation.run(until: simulation.now + .milliseconds(1))
        while ends.receiver.receive() != nil { received += 1 }
      }
      return received
    }
  }

  static func streamSwitch(_ parameters: Workload.Parameters) throws -> Measurement {
    try stream(parameters) { try $0.ethernetSwitch() }
  }

  /// As ns-3's program does: a datagram each microsecond.
  private static func stream(
    _ parameters: Workload.Parameters,
    _ build: (BenchmarkNetwork) throws -> BenchmarkNetwork.Path
  ) throws -> Measurement {
    try measure(parameters, build) { simulation, ends in
      let stream = Stream(simulation: simulation, ends: ends, packets: parameters.packets)
      stream.start()
      while stream.left > 0 { simulation.run(until: simulation.now + .milliseconds(10)) }
      simulation.run(until: simulation.now + .milliseconds(10))
      stream.drain()
      return stream.received
    }
  }

  /// Sends a datagram each microsecond and takes what has arrived.
  private final class Stream {
    private let simulation: Simulation
    private let ends: Ends
    @exclusivity(unchecked) private(set) var left: Int
    @exclusivity(unchecked) private(set) var received = 0
    @exclusivity(unchecked) private var step: () -> Void = {}

    init(simulation: Simulation, ends: Ends, packets: Int) {
      self.simulation = simulation
      self.ends = ends
      left = packets
      step = { [unowned(unsafe) self] in send() }
    }

    func start() { simulation.schedule(after: 1000, step) }

    private func send() {
      try? ends.sender.send(ends.payload)
      left -= 1
      if left > 0 { simulation.schedule(after: 1000, step) }
      if left & 15 == 0 { drain() }
    }

    func drain() {
      while ends.receiver.receive() != nil { received += 1 }
    }
  }

  struct Ends {
    var sender: UDPSocket
    var receiver: UDPSocket
    var payload: [UInt8]
  }

  static func measure(
    _ parameters: Workload.Parameters,
    _ build: (BenchmarkNetwork) throws -> BenchmarkNetwork.Path,
    _ traffic: (Simulation, Ends) throws -> Int
  ) throws -> Measurement {
    let network = BenchmarkNetwork()
    let tap = parameters.captureDirectory.map { PcapDirectoryTap(directory: $0) }
    network.simulation.tap = tap
    let path = try build(network)
    let receiver = path.to.sockets.makeUDP()
    try receiver.bind(port: 9000)
    let sender = path.from.sockets.makeUDP()
    guard let destination = IPv4Address(path.destination) else { return Measurement() }
    try sender.connect(to: destination, port: 9000)
    try greet(network.simulation, sender, receiver)
    let ends = Ends(
      sender: sender,
      receiver: receiver,
      payload: [UInt8](repeating: 0xa5, count: 100)
    )
    let start = Usage.now()
    let events = network.simulation.eventCount
    let received = try traffic(network.simulation, ends)
    tap?.finish()
    let seconds = Usage.now().cpuSeconds - start.cpuSeconds
    if let failure = tap?.failure { throw failure }
    guard received == parameters.packets else {
      throw Options.Failure(message: "only \(received) of \(parameters.packets) datagrams arrived")
    }
    var measurement = Measurement()
    let hops = Double(received * path.hops)
    measurement.record("delivered", Double(received))
    measurement.record("hops", hops)
    measurement.record("events", Double(network.simulation.eventCount - events))
    measurement.record("run_cpu_s", seconds)
    measurement.record("ns_per_hop_cpu", seconds * 1e9 / hops)
    measurement.record("peak_rss_kb", Double(Usage.now().residentKB))
    return measurement
  }

  /// Exchanges a few datagrams both ways: neighbours are resolved, bridges learn, conntrack sees a
  /// reply.
  private static func greet(
    _ simulation: Simulation,
    _ sender: UDPSocket,
    _ receiver: UDPSocket
  ) throws {
    for _ in 0..<5 {
      try sender.send([0])
      simulation.run(until: simulation.now + .seconds(1))
      guard let datagram = receiver.receive() else { continue }
      try receiver.send([0], to: datagram.source, port: datagram.sourcePort)
      simulation.run(until: simulation.now + .seconds(1))
      _ = sender.receive()
    }
  }
}
