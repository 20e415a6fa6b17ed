import HopyardWire

/// What is asked of the connection, the sockets and the routes around an IPv6 packet.
extension IPv6Conditions {
  /// The packet as conditions that remember see it.
  func flow(_ probe: IPv6Probe) -> FlowFacts {
    let ports = view.ports(probe.bytes)
    return FlowFacts(
      family: .ipv6,
      source: view.source,
      destination: view.destination,
      sourcePort: ports?.source ?? 0,
      destinationPort: ports?.destination ?? 0,
      length: view.totalLength,
      hops: view.hopLimit
    )
  }

  // MARK: The connection

  /// The packet's own tuple, or that of its answers.
  private func tuple(_ probe: IPv6Probe, isOpposite: Bool) -> IPv6Connection.Tuple {
    let ports = view.ports(probe.bytes) ?? (0, 0)
    let own = IPv6Connection.Tuple(
      source: IPv6Address(rawValue: view.source),
      destination: IPv6Address(rawValue: view.destination),
      sourcePort: ports.source,
      destinationPort: ports.destination
    )
    guard isOpposite else { return own }
    return IPv6Connection.Tuple(
      source: own.destination,
      destination: own.source,
      sourcePort: own.destinationPort,
      destinationPort: own.sourcePort
    )
  }

  private func status(_ probe: IPv6Probe) -> ConntrackStatus {
    if let known = probe.connection.status { return known }
    if probe.states.contains(.established) { return [.seenReply, .confirmed] }
    // An error belongs to a connection that was confirmed.
    return probe.states.contains(.related) ? .confirmed : []
  }

  func meets(_ wanted: ConntrackMatch, _ probe: IPv6Probe) -> Bool {
    if let states = wanted.states,
      !states.states.isDisjoint(with: probe.states) == states.inverted
    {
      return false
    }
    guard isTracked(probe) else { return wanted == ConntrackMatch(states: wanted.states) }
    if let direction = wanted.direction, (direction == .reply) != probe.isReply { return false }
    if let number = wanted.protocol, !number.matches(view.protocol) { return false }
    let original = probe.connection.original ?? tuple(probe, isOpposite: probe.isReply)
    let reply = probe.connection.reply ?? tuple(probe, isOpposite: !probe.isReply)
    let addresses: [(AddressMatch?, IPv6Address)] = [
      (wanted.originalSource, original.source),
      (wanted.originalDestination, original.destination),
      (wanted.replySource, reply.source),
      (wanted.replyDestination, reply.destination),
    ]
    for (network, address) in addresses {
      if let network, !network.matches(address.rawValue) { return false }
    }
    let ports: [(PortMatch?, UInt16)] = [
      (wanted.originalSourcePort, original.sourcePort),
      (wanted.originalDestinationPort, original.destinationPort),
      (wanted.replySourcePort, reply.sourcePort),
      (wanted.replyDestinationPort, reply.destinationPort),
    ]
    for (range, port) in ports {
      if let range, !range.matches(port) { return false }
    }
    if let asked = wanted.status,
      !asked.status.isDisjoint(with: status(probe)) == asked.inverted
    {
      return false
    }
    return wanted.expiry?.matches(probe.connection.expiry) ?? true
  }

  func meets(_ wanted: ConnectionBytesMatch, _ probe: IPv6Probe) -> Bool {
    guard isTracked(probe) else { return false }
    let own = (packets: UInt64(1), bytes: UInt64(view.totalLength))
    let none = (packets: UInt64(0), bytes: UInt64(0))
    let sent = probe.connection.sent ?? (probe.isReply ? none : own)
    let received = probe.connection.received ?? (probe.isReply ? own : none)
    let (packets, bytes): (UInt64, UInt64) =
      switch wanted.direction {
      case .original: sent
      case .reply: received
      case .both: (sent.packets &+ received.packets, sent.bytes &+ received.bytes)
      }
    let value: UInt64 =
      switch wanted.unit {
      case .packets: packets
      case .bytes: bytes
      case .average: packets == 0 ? 0 : bytes / packets
      }
    return (value >= wanted.from && value <= wanted.to) != wanted.inverted
  }

  func meets(_ wanted: ConnectionLabelMatch, _ probe: inout IPv6Probe) -> Bool {
    guard isTracked(probe) else { return wanted.inverted }
    let bit: UInt128 = 1 << UInt128(wanted.label & 127)
    if wanted.sets { probe.connection.labels |= bit }
    return (probe.connection.labels & bit != 0) != wanted.inverted
  }

  // MARK: Routes

  func meets(_ wanted: ReversePathMatch, _ probe: IPv6Probe) -> Bool {
    let isRight: Bool =
      if probe.input == nil || probe.input == "lo" || view.source == 0 {
        true
      } else {
        switch probe.reversePath {
        case .sameDevice: true
        case .otherDevice: wanted.isLoose
        case .local: wanted.acceptsLocal
        case .none: false
        }
      }
    return isRight != wanted.inverted
  }
}
