import Hopyard
import LabSupport

/// A node with kube-proxy's rules, a network of clients and one of pods, through which packets of a
/// case are sent.
final class ProxyFlow {
  private let simulation = Simulation(seed: 7)
  private let machine: Machine
  private let world: NetworkNamespace
  private let pods: NetworkNamespace
  private let node: NetworkNamespace
  /// What reached the far ends: where, and the packet from its IP header.
  private var seen: [(place: String, bytes: [UInt8])] = []
  private var taps: [PacketSocket] = []

  init(
    _ configuration: ProxyConfiguration,
    _ entries: [(service: ProxyService, endpoints: [ProxyEndpoint])]
  ) throws {
    machine = Machine(simulation: simulation)
    node = machine.root
    world = machine.makeNamespace("world")
    pods = machine.makeNamespace("pods")
    try node.setLinkUp(node.devices.loopback)
    let outer = try link(world, "eth0")
    let inner = try link(pods, "pod0")
    for address in configuration.nodeAddresses.compactMap(\.v4) {
      try node.addAddress(
        InterfaceAddress<UInt32>(local: address.rawValue, prefixLength: 32),
        to: outer.0
      )
    }
    try route(outer, IPv4Prefix.any, via: IPv4Address(198, 51, 100, 1))
    try route(
      inner,
      IPv4Prefix(IPv4Address(10, 0, 0, 0), length: 8),
      via: IPv4Address(198, 51, 100, 2)
    )
    node.setForwarding(true)
    let compiler = ProxyCompiler()
    for entry in entries { compiler.add(entry.service, entry.endpoints) }
    KubeProxy(configuration, in: node, compiler).sync()
  }

  private func link(_ other: NetworkNamespace, _ name: String) throws -> (VethDevice, VethDevice) {
    let pair = try node.makeVeth(NewLink(name), peer: NewLink("eth0"), in: other)
    try node.setLinkUp(pair.0)
    try other.setLinkUp(pair.1)
    let tap = other.sockets.makePacket(etherType: .ipv4)
    try tap.bind(ifindex: pair.1.ifindex)
    tap.hearsOutgoing = false
    let place = other.name
    tap.onFrame = { [unowned self] bytes, _, direction, _ in
      if direction == .incoming { seen.append((place, Array(bytes.dropFirst(14)))) }
    }
    taps.append(tap)
    return pair
  }

  private func route(
    _ pair: (VethDevice, VethDevice),
    _ prefix: IPv4Prefix,
    via gateway: IPv4Address
  ) throws {
    var hop = Nexthop<UInt32>(ifindex: pair.0.ifindex, gateway: gateway.rawValue)
    hop.flags.insert(.onlink)
    try node.insertRoute(
      Route<UInt32>(
        prefix: prefix.address.rawValue,
        length: prefix.length,
        scope: .universe,
        nexthops: [hop]
      ),
      mode: .create
    )
    try node.setNeighbour(
      gateway,
      on: pair.0,
      linkAddress: pair.1.mac,
      state: .permanent,
      .replace
    )
  }

  /// Sends a flow many times; nil if each time it ended where it should.
  func run(_ flow: JSONValue) throws -> String? {
    guard let source = flow["src"]?.string.flatMap({ IPv4Address($0) }),
      let destination = flow["dst"]?.string.flatMap({ IPv4Address($0) }),
      let port = flow["dport"]?.int, let expect = flow["expect"]
    else { return "not a flow" }
    let verdict = expect["verdict"]?.string ?? ""
    let isUDP = flow["protocol"]?.string == "UDP"
    let wanted = Set((expect["endpoints"]?.elements ?? []).compactMap(\.string))
    var reached: Set<String> = []
    // Answers of REJECT are limited; chance needs many tries.
    for index in 0..<(verdict == "DNAT" ? 48 : 3) {
      seen = []
      let before = counters()
      let packet = Self.packet(
        from: source,
        UInt16(20_000 + index),
        to: destination,
        UInt16(port),
        isUDP: isUDP
      )
      try send(packet, from: source)
      _ = simulation.run(until: simulation.now + 50_000_000)
      let end = ending(source, destination, UInt16(port), acted: counters() != before)
      switch (verdict, end) {
      case ("DNAT", .translated(let endpoint, let masqueraded)):
        reached.insert(endpoint)
        // What the node itself sends has the node's address anyway.
        let isOwn = node.devices.isLocalAddress(source.rawValue)
        if let want = expect["masquerade"]?.bool, want != masqueraded, !(isOwn && want) {
          return "masquerade \(masqueraded) towards \(endpoint)"
        }
      case ("REJECT", .rejected), ("DROP", .dropped), ("no-service-match", .untouched),
        ("ACCEPT", .accepted), ("ACCEPT", .untouched):
        break
      default: return "\(end), expected \(verdict)"
      }
    }
    return verdict == "DNAT" && reached != wanted
      ? "reached \(reached.sorted()), expected \(wanted.sorted())" : nil
  }

  private enum Ending {
    case translated(String, masqueraded: Bool)
    case rejected
    case dropped
    case accepted
    case untouched
  }

  /// How many packets the rules that refuse or translate have counted.
  private func counters() -> UInt64 {
    let table = node.netfilter.ruleset(.ipv4, .nft).table(.filter)
    var sum: UInt64 = 0
    for (index, chain) in table.table.chains.enumerated() where chain.name.hasPrefix("KUBE-") {
      for (number, rule) in chain.rules.enumerated() where rule.target == .drop {
        sum += table.existingActivity(ofChain: index)?.counters(of: number).packets ?? 0
      }
    }
    return sum
  }

  private func ending(
    _ source: IPv4Address,
    _ destination: IPv4Address,
    _ port: UInt16,
    acted: Bool
  ) -> Ending {
    for (_, bytes) in seen where bytes.count >= 28 {
      let header = Int(bytes[0] & 15) * 4
      if bytes[9] == 1 { return bytes[header] == 3 ? .rejected : .untouched }
      guard bytes[9] == 6 || bytes[9] == 17 else { continue }
      let from = IPv4Address(bytes[12], bytes[13], bytes[14], bytes[15])
      let to = IPv4Address(bytes[16], bytes[17], bytes[18], bytes[19])
      if to == source && destination != source { return .untouched }
      let target = UInt16(bytes[header + 2]) << 8 | UInt16(bytes[header + 3])
      if to == destination && target == port { return .untouched }
      return .translated("\(to):\(target)", masqueraded: from != source)
    }
    return acted ? .dropped : .untouched
  }

  private func send(_ packet: [UInt8], from source: IPv4Address) throws {
    if node.devices.isLocalAddress(source.rawValue) || source.isLoopback {
      let socket = node.sockets.makeRaw(IPProtocol(rawValue: 255))
      socket.options.isTransparent = true
      try? socket.send(packet, to: IPv4Address(packet[16], packet[17], packet[18], packet[19]))
      socket.close()
      return
    }
    let place = source.octets.0 == 10 ? pods : world
    guard let device = place.devices["eth0"] as? VethDevice, let peer = device.peer else { return }
    let socket = place.sockets.makePacket(etherType: .ipv4)
    let mac = [peer.mac, device.mac].flatMap { mac in
      stride(from: 40, through: 0, by: -8).map { UInt8(truncatingIfNeeded: mac.rawValue >> $0) }
    }
    try socket.send(frame: mac + [8, 0] + packet, ifindex: device.ifindex)
    socket.close()
  }

  private static func packet(
    from source: IPv4Address,
    _ sourcePort: UInt16,
    to destination: IPv4Address,
    _ port: UInt16,
    isUDP: Bool
  ) -> [UInt8] {
    func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
    func address(_ value: IPv4Address) -> [UInt8] {
      word(UInt16(value.rawValue >> 16)) + word(UInt16(value.rawValue & 0xffff))
    }
    var segment = word(sourcePort) + word(port)
    if isUDP {
      segment += word(12) + [0, 0] + Array("ping".utf8)
    } else {
      segment += [0, 0, 1, 0, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]
    }
    let ipProtocol: IPProtocol = isUDP ? .udp : .tcp
    let pseudo = InternetChecksum.pseudoHeader(
      source: source,
      destination: destination,
      protocol: ipProtocol,
      length: segment.count
    )
    let sum = segment.withUnsafeBytes { InternetChecksum.checksum(of: $0, initial: pseudo) }
    segment.replaceSubrange((isUDP ? 6 : 16)..<(isUDP ? 8 : 18), with: word(sum))
    var header: [UInt8] = [0x45, 0] + word(UInt16(20 + segment.count))
    header += [0, 1, 0x40, 0, 64, ipProtocol.rawValue, 0, 0]
    header += address(source) + address(destination)
    let check = header.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    header.replaceSubrange(10..<12, with: word(check))
    return header + segment
  }
}
