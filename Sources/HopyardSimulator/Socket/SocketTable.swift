import HopyardWire

/// The sockets of a namespace, and which of them a received packet reaches.
public final class SocketTable {
  @exclusivity(unchecked) unowned(unsafe) let stack: IPv4Stack
  @exclusivity(unchecked) private var udp = UDPPortTable()
  @exclusivity(unchecked) private var raw: [RawSocket] = []
  private var packet: [PacketSocket] = []
  @exclusivity(unchecked) var tcp: TCPLayer!
  /// All sockets, in the order in which they were made.
  @exclusivity(unchecked) public private(set) var all: [Socket] = []
  private var random: RandomSource
  private static let ports = 1...65_535

  init(stack: IPv4Stack, name: String) {
    self.stack = stack
    random = stack.simulation.randomSource("ports/\(name)")
    tcp = TCPLayer(table: self, name: name)
  }

  // MARK: Making

  private func nextNumber() -> UInt32 { stack.host.backlog.nextSocketNumber() }

  /// Makes a UDP socket.
  public func makeUDP() -> UDPSocket {
    let socket = UDPSocket(number: nextNumber(), table: self)
    all.append(socket)
    return socket
  }

  /// Makes a raw socket for a protocol.
  public func makeRaw(_ ipProtocol: IPProtocol) -> RawSocket {
    let socket = RawSocket(number: nextNumber(), table: self, ipProtocol: ipProtocol)
    socket.options.includesHeader = ipProtocol.rawValue == 255
    all.append(socket)
    raw.append(socket)
    return socket
  }

  /// Makes a packet socket that hears an EtherType, or all.
  public func makePacket(etherType: EtherType? = nil, cooked: Bool = false) -> PacketSocket {
    let socket = PacketSocket(
      number: nextNumber(),
      table: self,
      etherType: etherType,
      isCooked: cooked
    )
    all.append(socket)
    packet.append(socket)
    return socket
  }

  /// Makes a TCP socket.
  public func makeTCP() -> TCPSocket {
    let socket = TCPSocket(number: nextNumber(), table: self)
    all.append(socket)
    return socket
  }

  /// Lists a TCP socket that a listener gave to a program.
  func list(_ socket: TCPSocket) {
    if !all.contains(where: { $0 === socket }) { all.append(socket) }
  }

  /// Takes a TCP socket off the list of those that programs hold.
  func forget(_ socket: TCPSocket) {
    all.removeAll { $0 === socket }
    if socket.state == .closed { tcp.unbind(socket) }
  }

  /// Every TCP connection and listener, also those that no program holds any more.
  public var connections: [TCPSocket] { tcp.all }

  func makeNumber() -> UInt32 { nextNumber() }

  func remove(_ socket: Socket) {
    all.removeAll { $0 === socket }
    switch socket {
    case let socket as UDPSocket:
      if socket.localPort != 0 { udp.remove(socket) }
    case is RawSocket: raw.removeAll { $0 === socket }
    case is PacketSocket: packet.removeAll { $0 === socket }
    default: break
    }
  }

  func socket(_ number: UInt32) -> Socket? { all.first { $0.number == number } }

  // MARK: Binding

  /// Whether a socket may be bound to an address: own, broadcast or group.
  func isBindable(_ address: IPv4Address) -> Bool {
    if address == .any || address.isMulticast || address == .broadcast { return true }
    guard let found = try? stack.routes.lookup(FlowKey<UInt32>(destination: address.rawValue))
    else { return false }
    return found.type == .local || found.type == .broadcast
  }

  func bind(_ socket: UDPSocket, address: IPv4Address, port: UInt16) throws(SocketError) {
    var port = port
    if port == 0 {
      let range = stack.settings.localPorts
      let count = UInt64(range.count)
      let first = random.below(count)
      guard
        let free = (0..<count).lazy
          .map({ UInt16(UInt64(range.lowerBound) + (first + $0) % count) })
          .first(where: { !self.conflicts(socket, address, $0) })
      else { throw .addressInUse }
      port = free
    } else if conflicts(socket, address, port) {
      throw .addressInUse
    }
    socket.localPort = port
    udp.insert(socket, port: port)
  }

  private func conflicts(_ socket: UDPSocket, _ address: IPv4Address, _ port: UInt16) -> Bool {
    udp.sockets(on: port).contains { other in
      guard other !== socket else { return false }
      let sameDevice =
        other.options.boundIfindex == 0 || socket.options.boundIfindex == 0
        || other.options.boundIfindex == socket.options.boundIfindex
      let sameAddress =
        other.localAddress == .any || address == .any || other.localAddress == address
      guard sameDevice && sameAddress else { return false }
      if other.options.reusesAddress && socket.options.reusesAddress { return false }
      if other.options.reusesPort && socket.options.reusesPort && other.uid == socket.uid {
        return false
      }
      return true
    }
  }

  /// The device by which sockets take a packet to have come: what this host sends to itself came
  /// by the device that has the address.
  func incomingIfindex(_ device: NetworkDevice, _ destination: IPv4Address) -> Int32 {
    guard device.isLoopback else { return device.ifindex }
    return stack.devices.device(withAddress: destination.rawValue)?.ifindex ?? device.ifindex
  }

  // MARK: UDP delivery

  /// How well a socket fits a datagram; nil if not at all (`compute_score`).
  private func score(
    _ socket: UDPSocket,
    source: IPv4Address,
    sourcePort: UInt16,
    destination: IPv4Address,
    ifindex: Int32
  ) -> Int? {
    var score = 1
    if socket.localAddress != .any {
      guard socket.localAddress == destination else { return nil }
      score += 4
    }
    if socket.isConnected {
      guard socket.remotePort == sourcePort, socket.remoteAddress == source else { return nil }
      score += 8
    }
    if socket.options.boundIfindex != 0 {
      guard socket.options.boundIfindex == ifindex else { return nil }
      score += 4
    }
    return score
  }

  /// The socket that takes a datagram for one host.
  func findUDP(
    source: IPv4Address,
    sourcePort: UInt16,
    destination: IPv4Address,
    destinationPort: UInt16,
    ifindex: Int32
  ) -> UDPSocket? {
    var found: Unmanaged<UDPSocket>?
    var bestScore = 0
    for place in udp.range(of: destinationPort) {
      let score = udp[place]._withUnsafeGuaranteedRef {
        self.score(
          $0,
          source: source,
          sourcePort: sourcePort,
          destination: destination,
          ifindex: ifindex
        )
      }
      guard let score, score > bestScore else { continue }
      found = udp[place]
      bestScore = score
    }
    guard let best = found?.takeUnretainedValue() else { return nil }
    guard best.options.reusesPort, !best.isConnected else { return best }
    // The sockets of a reuseport group share the load by a hash of the four numbers.
    let group = udp.sockets(on: destinationPort).filter {
      $0.options.reusesPort && !$0.isConnected && $0.localAddress == best.localAddress
        && $0.options.boundIfindex == best.options.boundIfindex
    }
    guard group.count > 1 else { return best }
    var hash = UInt64(source.rawValue) << 16 | UInt64(sourcePort)
    hash = (hash ^ UInt64(destination.rawValue)) &* 0x9e37_79b9_7f4a_7c15
    return group[Int(hash >> 33) % group.count]
  }

  private func deliverUDP(_ packet: consuming Packet, on device: NetworkDevice, route: RouteType)
    -> TransportResult
  {
    var packet = packet
    let headerLength = Int(packet.u8(at: 0) & 15) &* 4
    guard packet.count >= headerLength + 8 else {
      stack.counters.count(.udpInErrors)
      stack.drop(packet, .malformed, on: device)
      return .taken
    }
    let length = Int(packet.u16(at: headerLength + 4))
    guard length >= 8, length <= packet.count - headerLength else {
      stack.counters.count(.udpInErrors)
      stack.drop(packet, .malformed, on: device)
      return .taken
    }
    let source = packet.ipv4(at: 12)
    let destination = packet.ipv4(at: 16)
    if packet.u16(at: headerLength + 6) != 0,
      packet.metadata.flags.isDisjoint(with: .checksumIsRight)
    {
      let pseudo = InternetChecksum.pseudoHeader(
        source: source,
        destination: destination,
        protocol: .udp,
        length: length
      )
      let isRight = packet.withBytes {
        InternetChecksum.isValid(
          UnsafeRawBufferPointer(rebasing: $0[headerLength..<headerLength + length]),
          initial: pseudo
        )
      }
      guard isRight else {
        stack.counters.count(.udpInCsumErrors)
        stack.counters.count(.udpInErrors)
        stack.drop(packet, .badChecksum, on: device)
        return .taken
      }
    }
    let sourcePort = packet.u16(at: headerLength)
    let destinationPort = packet.u16(at: headerLength + 2)
    if route != .local {
      // Group and broadcast datagrams go to every socket that fits.
      var took = false
      for socket in udp.sockets(on: destinationPort) {
        guard
          score(
            socket,
            source: source,
            sourcePort: sourcePort,
            destination: destination,
            ifindex: device.ifindex
          ) != nil,
          route == .broadcast || socket.hears(destination, on: device.ifindex)
        else { continue }
        took = true
        give(packet, to: socket, headerLength: headerLength, length: length, on: device)
      }
      if !took { stack.counters.count(.udpIgnoredMulti) }
      stack.drop(packet, took ? .delivered : .noSocket, on: device)
      return .taken
    }
    let assigned =
      packet.metadata.flags.contains(.assigned)
      ? socket(packet.metadata.socket) as? UDPSocket : nil
    guard
      let socket = assigned
        ?? findUDP(
          source: source,
          sourcePort: sourcePort,
          destination: destination,
          destinationPort: destinationPort,
          ifindex: incomingIfindex(device, destination)
        )
    else {
      stack.counters.count(.udpNoPorts)
      return .noSocket(packet)
    }
    if let tunnel = socket.tunnel {
      stack.counters.count(.udpInDatagrams)
      if packet.count > headerLength + length { packet.trim(to: headerLength + length) }
      tunnel.receive(packet, headerLength: headerLength, on: device)
      return .taken
    }
    give(packet, to: socket, headerLength: headerLength, length: length, on: device)
    stack.drop(packet, .delivered, on: device)
    return .taken
  }

  private func give(
    _ packet: borrowing Packet,
    to socket: UDPSocket,
    headerLength: Int,
    length: Int,
    on device: NetworkDevice
  ) {
    if let tunnel = socket.tunnel {
      return tunnel.receive(packet.clone(), headerLength: headerLength, on: device)
    }
    let bytes = packet.withBytes {
      [UInt8](UnsafeRawBufferPointer(rebasing: $0[headerLength + 8..<headerLength + length]))
    }
    var datagram = Datagram(
      bytes: bytes,
      source: packet.ipv4(at: 12),
      sourcePort: packet.u16(at: headerLength),
      destination: packet.ipv4(at: 16),
      ttl: packet.u8(at: 8),
      tos: packet.u8(at: 1),
      ifindex: device.ifindex,
      time: stack.core.now
    )
    datagram.destinationPort = packet.u16(at: headerLength + 2)
    if socket.enqueue(datagram) {
      stack.counters.count(.udpInDatagrams)
    } else {
      stack.counters.count(.udpRcvbufErrors)
      stack.counters.count(.udpInErrors)
    }
  }

  // MARK: Packet sockets

  func watch(_ socket: PacketSocket) {
    if socket.ifindex == 0 {
      for device in stack.devices.all { device.packetSocketCount += 1 }
    } else {
      stack.devices[socket.ifindex]?.packetSocketCount += 1
    }
    stack.host.backlog.packetSockets.add(socket)
  }

  func unwatch(_ socket: PacketSocket) {
    guard stack.host.backlog.packetSockets.remove(socket) else { return }
    if socket.ifindex == 0 {
      for device in stack.devices.all { device.packetSocketCount -= 1 }
    } else {
      stack.devices[socket.ifindex]?.packetSocketCount -= 1
    }
  }

  /// A new device is heard by the sockets that hear all.
  func deviceAdded(_ device: NetworkDevice) {
    device.packetSocketCount = packet.reduce(0) {
      $0 + ($1.ifindex == 0 && stack.host.backlog.packetSockets.contains($1) ? 1 : 0)
    }
  }
}

extension SocketTable: TransportLayer {
  func deliverRaw(_ packet: borrowing Packet, on device: NetworkDevice, isBroadcast: Bool) -> Bool {
    guard !raw.isEmpty else { return false }
    let proto = packet.u8(at: 9)
    let source = packet.ipv4(at: 12)
    let destination = packet.ipv4(at: 16)
    var took = false
    for socket in raw where socket.ipProtocol.rawValue == proto {
      if socket.localAddress != .any && socket.localAddress != destination { continue }
      if socket.remoteAddress != .any && socket.remoteAddress != source { continue }
      if socket.options.boundIfindex != 0
        && socket.options.boundIfindex != incomingIfindex(device, destination)
      {
        continue
      }
      took = true
      let headerLength = Int(packet.u8(at: 0) & 15) &* 4
      if proto == 1, packet.count > headerLength {
        let type = packet.u8(at: headerLength)
        if type < 32 && socket.icmpFilter >> UInt32(type) & 1 != 0 { continue }
      }
      _ = socket.enqueue(
        Datagram(
          bytes: packet.bytes,
          source: source,
          sourcePort: 0,
          destination: destination,
          ttl: packet.u8(at: 8),
          tos: packet.u8(at: 1),
          ifindex: device.ifindex,
          time: stack.simulation.now
        )
      )
    }
    return took
  }

  func deliver(_ packet: consuming Packet, on device: NetworkDevice, route: RouteType)
    -> TransportResult
  {
    switch IPProtocol(rawValue: packet.u8(at: 9)) {
    case .udp: deliverUDP(packet, on: device, route: route)
    case .tcp: tcp.deliver(packet, on: device, route: route)
    default: .noProtocol(packet)
    }
  }

  func deliverEchoReply(_ packet: borrowing Packet, headerLength: Int, on device: NetworkDevice) {}

  func deliverError(_ packet: borrowing Packet, _ report: ICMPErrorReport) {
    for socket in raw where socket.ipProtocol == report.ipProtocol {
      if socket.localAddress != .any && socket.localAddress != report.source { continue }
      if socket.remoteAddress != .any && socket.remoteAddress != report.destination { continue }
      tellRaw(socket, report)
    }
    switch report.ipProtocol {
    case .udp: tellUDP(report)
    case .tcp: tcp.deliverError(report)
    default:
      if report.ipProtocol == .icmp && raw.isEmpty || report.ipProtocol == .ipip {
        learn(
          report,
          OutputOptions(destination: report.destination.rawValue, ipProtocol: report.ipProtocol)
        )
        if report.ipProtocol == .ipip, report.type != 5, !(report.type == 3 && report.code == 4) {
          stack.tunnels?.ipip(
            from: report.destination.rawValue,
            to: report.source.rawValue,
            ifindex: 0
          )?.noteError()
        }
      }
    }
  }

  /// Path MTU and redirects are remembered whoever caused them.
  private func learn(_ report: ICMPErrorReport, _ options: OutputOptions) {
    var options = options
    options.source = report.source.rawValue
    if report.type == 3 && report.code == 4 && report.info > 0 {
      options.source = 0
      stack.updatePathMTU(report.info, for: options)
    } else if report.type == 5, let offender = report.offender {
      options.source = 0
      stack.followRedirect(
        to: report.info,
        from: offender,
        for: options,
        on: report.device
      )
    }
  }

  private func tellRaw(_ socket: RawSocket, _ report: ICMPErrorReport) {
    let output = socket.outputOptions(to: report.destination.rawValue, socket.ipProtocol)
    learn(report, output)
    if report.type == 5 { return }
    guard let (error, isFatal) = SocketError.converted(type: report.type, code: report.code) else {
      return
    }
    var final = isFatal
    if report.type == 3 && report.code == 4 {
      final = (socket.options.pathMTUDiscovery ?? .want) != .dont
    }
    if socket.options.receivesErrors {
      socket.report(
        SocketErrorReport(
          error: error,
          isLocal: false,
          type: report.type,
          code: report.code,
          info: report.info,
          offender: report.offender,
          destination: report.destination,
          payload: Self.aboveHeader(report.quoted)
        )
      )
    }
    if socket.options.receivesErrors || (final && socket.remoteAddress != .any) {
      socket.report(error)
    }
  }

  private static func aboveHeader(_ quoted: [UInt8]) -> [UInt8] {
    guard let first = quoted.first else { return [] }
    return [UInt8](quoted.dropFirst(Int(first & 15) * 4))
  }

  private func tellUDP(_ report: ICMPErrorReport) {
    guard report.transport.count >= 4 else { return }
    let sourcePort = UInt16(report.transport[0]) << 8 | UInt16(report.transport[1])
    let destinationPort = UInt16(report.transport[2]) << 8 | UInt16(report.transport[3])
    let ifindex = stack.host.backlog.device(report.device)?.ifindex ?? 0
    guard
      let socket = findUDP(
        source: report.destination,
        sourcePort: destinationPort,
        destination: report.source,
        destinationPort: sourcePort,
        ifindex: ifindex
      )
    else { return }
    learn(report, socket.outputOptions(to: report.destination.rawValue, .udp))
    if report.type == 5 { return }
    guard var (error, isFatal) = SocketError.converted(type: report.type, code: report.code) else {
      return
    }
    if report.type == 3 && report.code == 4 {
      guard (socket.options.pathMTUDiscovery ?? .want) != .dont else { return }
      error = .messageTooLong
      isFatal = true
    }
    if socket.options.receivesErrors {
      socket.report(
        SocketErrorReport(
          error: error,
          isLocal: false,
          type: report.type,
          code: report.code,
          info: report.info,
          offender: report.offender,
          destination: report.destination,
          payload: [UInt8](Self.aboveHeader(report.quoted).dropFirst(8))
        )
      )
    } else if !isFatal || !socket.isConnected {
      return
    }
    socket.report(error)
  }
}
