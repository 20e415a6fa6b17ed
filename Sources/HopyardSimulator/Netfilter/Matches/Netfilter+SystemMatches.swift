import HopyardWire

/// Conditions that look into transport headers as programs do, or at the host around the packet.
extension Netfilter {
  /// Whether a packet meets one of the less usual matches.
  func meetsOther(
    _ match: Match,
    _ packet: inout Packet,
    _ context: inout RuleContext
  ) -> Bool {
    let view = context.view
    switch match {
    case .accounting(let name):
      countAccount(name, bytes: view.totalLength)
      return true
    case .bpf(let program):
      return packet.withBytes { program.run(on: $0) } != 0
    case .cluster(let wanted):
      guard let entry = entry(of: packet) else { return false }
      return wanted.accepts([master(of: entry).pointee.original.source])
    case .compression(let wanted):
      guard view.protocol == 108, !view.isLaterFragment, view.transportLength >= 4 else {
        return false
      }
      return wanted.index.matches(UInt32(packet.u16(at: view.transport + 2)))
    case .connectionLabel(let wanted):
      return meets(wanted, packet)
    case .controlGroup(let wanted):
      // All processes are in the root group, and none has a class.
      if case .none = environment.owner(of: packet) { return false }
      switch wanted.group {
      case .classID(let id): return (id == 0) != wanted.inverted
      case .path: return !wanted.inverted
      }
    case .cpu(let wanted): return wanted.matches(0)
    case .dccp(let wanted):
      guard context.hasPorts, view.protocol == 33,
        wanted.source?.matches(context.sourcePort) ?? true,
        wanted.destination?.matches(context.destinationPort) ?? true
      else { return false }
      return packet.withBytes {
        wanted.accepts(TransportBytes($0, from: view.transport, to: view.totalLength))
      }
    case .deviceGroup(let wanted):
      return (wanted.source?.matches(context.input?.group ?? 0) ?? true)
        && (wanted.destination?.matches(context.output?.group ?? 0) ?? true)
    case .ecn(let wanted):
      return packet.withBytes {
        wanted.accepts(
          TransportBytes($0, from: view.transport, to: view.totalLength),
          typeOfService: view.typeOfService,
          isTCP: view.protocol == 6 && !view.isLaterFragment
        )
      }
    case .rate(let wanted): return meets(wanted)
    case .sctp(let wanted):
      guard context.hasPorts, wanted.source?.matches(context.sourcePort) ?? true,
        wanted.destination?.matches(context.destinationPort) ?? true
      else { return false }
      if wanted.chunks == nil { return true }
      return packet.withBytes {
        wanted.acceptsChunks(
          of: TransportBytes($0, from: view.transport, to: view.totalLength)
        )
      }
    case .time(let wanted): return wanted.accepts(wallClock)
    case .realm(let wanted):
      return wanted.matches(
        environment.routeRealms(of: packet, input: context.input, output: context.output)
      )
    case .fingerprint, .ipvs, .policy: return match.isMetWithoutSubsystem
    default: return false
    }
  }

  /// The seconds since 1970 that the host's clock shows.
  private var wallClock: Int64 { Simulation.epoch + simulation.now.nanoseconds / 1_000_000_000 }

  /// The connection that announced this one, or itself.
  private func master(
    of entry: UnsafeMutablePointer<Conntrack.Entry>
  ) -> UnsafeMutablePointer<Conntrack.Entry> {
    guard let conntrack, entry.pointee.master != 0 else { return entry }
    return conntrack.table.entry(entry.pointee.master - 1)
  }

  private func meets(_ wanted: ConnectionLabelMatch, _ packet: borrowing Packet) -> Bool {
    guard let conntrack, let index = conntrack.table.index(of: packet.metadata.conntrack) else {
      return wanted.inverted
    }
    let reference = conntrack.table.reference(index)
    let bit: UInt128 = 1 << UInt128(wanted.label & 127)
    let labels = connectionLabels[reference] ?? 0
    if labels & bit != 0 { return !wanted.inverted }
    if wanted.sets {
      if connectionLabels.count >= labelSweepSize { forgetOldLabels(conntrack) }
      connectionLabels[reference] = labels | bit
      return !wanted.inverted
    }
    return wanted.inverted
  }

  /// Forgets the labels of connections that are gone.
  private func forgetOldLabels(_ conntrack: Conntrack) {
    connectionLabels = connectionLabels.filter { conntrack.table.index(of: $0.key) != nil }
    labelSweepSize = max(1024, connectionLabels.count * 2)
  }
}

extension Match {
  /// What a match says about a subsystem that is there and idle: no IPsec policy, no IPVS service,
  /// no fingerprint and, in IPv6, no realm of a route.
  var isMetWithoutSubsystem: Bool {
    switch self {
    case .fingerprint: false
    case .policy(let wanted): wanted.isNone
    case .realm(let wanted): wanted.matches(0)
    case .ipvs(let wanted):
      // All else is false of a packet that IPVS does not know, inverted or not.
      wanted.isOnlyAboutService && wanted.isServed == false
    default: false
    }
  }
}

extension IPVSMatch {
  /// Whether nothing but `--ipvs` was asked.
  var isOnlyAboutService: Bool {
    var other = self
    other.isServed = nil
    return other == IPVSMatch() && isServed != nil
  }
}
