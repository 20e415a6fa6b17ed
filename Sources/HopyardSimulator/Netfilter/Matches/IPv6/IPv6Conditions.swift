import HopyardWire

/// Compares one IPv6 packet with the matches of a rule.
struct IPv6Conditions {
  let netfilter: Netfilter
  let hook: Hook
  let view: IPv6View
  let place: RuleReference

  init(_ netfilter: Netfilter, _ hook: Hook, _ view: IPv6View, _ place: RuleReference) {
    self.netfilter = netfilter
    self.hook = hook
    self.view = view
    self.place = place
  }

  private func transport(_ bytes: UnsafeRawBufferPointer) -> TransportBytes {
    TransportBytes(bytes, from: view.transport, to: view.totalLength)
  }

  /// The ports, where there are any.
  private func ports(_ bytes: UnsafeRawBufferPointer) -> (source: UInt16, destination: UInt16)? {
    guard [6, 17, 33, 132, 136].contains(view.protocol), !view.isLaterFragment else { return nil }
    let data = transport(bytes)
    guard let source = data.u16(0), let destination = data.u16(2) else { return nil }
    return (source, destination)
  }

  private func meetsPorts(
    _ bytes: UnsafeRawBufferPointer,
    _ source: PortMatch?,
    _ destination: PortMatch?
  ) -> Bool {
    guard let ports = ports(bytes) else { return false }
    return (source?.matches(ports.source) ?? true)
      && (destination?.matches(ports.destination) ?? true)
  }

  /// Whether the packet meets a match.
  func meets(
    _ match: Match,
    _ probe: inout IPv6Probe,
    _ state: UnsafeMutablePointer<MatchState>
  ) throws(IPv6RuleError) -> Bool {
    switch match {
    case .addressType, .conntrack, .state, .connectionMark, .owner, .mac, .packetType, .mark,
      .physicalDevice, .deviceGroup, .helper, .eui64, .cluster:
      return try meetsFacts(match, probe)
    case .limit(let wanted):
      return netfilter.meetsLimit(
        cost: Int64(wanted.interval) * 100_000,
        burst: Int64(wanted.burst),
        state
      )
    case .statistic(let wanted): return meets(wanted, state)
    case .quota(let wanted): return meets(wanted, state)
    case .accounting(let name):
      netfilter.countAccount(name, bytes: view.totalLength)
      return true
    case .time(let wanted):
      return wanted.accepts(
        Simulation.epoch + netfilter.simulation.now.nanoseconds / 1_000_000_000
      )
    case .rate(let wanted): return netfilter.meets(wanted)
    case .cpu(let wanted): return wanted.matches(0)
    case .comment: return true
    case .fingerprint, .ipvs, .policy: return match.isMetWithoutSubsystem
    // An IPv6 route has no realm.
    case .realm(let wanted): return wanted.matches(0)
    case .controlGroup(let wanted):
      guard probe.owner != nil else { return false }
      switch wanted.group {
      case .classID(let id): return (id == 0) != wanted.inverted
      case .path: return !wanted.inverted
      }
    case .hashLimit(let wanted): return netfilter.meets(wanted, flow(probe))
    case .recent(let wanted): return netfilter.meets(wanted, flow(probe))
    case .set(let wanted):
      return netfilter.meets(wanted, SetSubject(probe, view, in: netfilter.simulation))
    case .connectionBytes(let wanted): return meets(wanted, probe)
    case .connectionLabel(let wanted): return meets(wanted, &probe)
    case .connectionLimit(let wanted):
      guard isTracked(probe) else { return false }
      return (probe.connection.siblings > wanted.limit) != wanted.isUpTo
    case .reversePath(let wanted): return meets(wanted, probe)
    case .socket(let wanted):
      guard let socket = probe.socket, !(wanted.isTransparent && !socket.isTransparent),
        !(wanted.noWildcard && socket.isWildcard)
      else { return false }
      if wanted.restoresMark { probe.mark = socket.mark }
      return true
    case .ttl, .icmp: throw IPv6RuleError(part: "-m \(match.name)", rule: place)
    default:
      return probe.bytes.withUnsafeBytes { meetsBytes(match, $0) }
    }
  }

  // MARK: What the packet says

  private func meetsBytes(_ match: Match, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let data = transport(bytes)
    switch match {
    case .tcp(let wanted):
      guard view.protocol == 6, data.count >= 20,
        meetsPorts(bytes, wanted.source, wanted.destination)
      else { return false }
      if let flags = wanted.flags, let set = data.u8(13) {
        if (set & flags.mask.rawValue == flags.set.rawValue) == flags.inverted { return false }
      }
      guard let option = wanted.option else { return true }
      return (tcpOption(option.value, data) != nil) != option.inverted
    case .udp(let wanted): return meetsPorts(bytes, wanted.source, wanted.destination)
    case .sctp(let wanted):
      return meetsPorts(bytes, wanted.source, wanted.destination) && wanted.acceptsChunks(of: data)
    case .dccp(let wanted):
      return view.protocol == 33 && meetsPorts(bytes, wanted.source, wanted.destination)
        && wanted.accepts(data)
    case .multiport(let wanted):
      guard let ports = ports(bytes) else { return false }
      return wanted.accepts(ports.source, ports.destination) != wanted.inverted
    case .icmpv6(let wanted):
      guard view.protocol == 58, !view.isLaterFragment, let type = data.u8(0),
        let code = data.u8(1)
      else { return false }
      return (type == wanted.type && wanted.codes.contains(code)) != wanted.inverted
    case .tcpMSS(let wanted):
      guard view.protocol == 6, !view.isLaterFragment else { return false }
      guard let option = tcpOption(2, data), data.u8(option + 1) == 4,
        let size = data.u16(option + 2)
      else { return wanted.inverted }
      return wanted.matches(UInt32(size))
    case .ecn(let wanted):
      return wanted.accepts(
        data,
        typeOfService: view.trafficClass,
        isTCP: view.protocol == 6 && !view.isLaterFragment
      )
    case .esp(let wanted):
      guard view.protocol == 50, !view.isLaterFragment, let index = data.u32(0) else {
        return false
      }
      return wanted.range?.matches(index) ?? true
    case .compression(let wanted):
      guard view.protocol == 108, !view.isLaterFragment, let index = data.u16(2) else {
        return false
      }
      return wanted.index.matches(UInt32(index))
    case .ah(let wanted): return meetsAuthentication(wanted, bytes)
    case .length(let wanted): return wanted.matches(UInt32(view.totalLength))
    case .hopLimit(let wanted):
      switch wanted.comparison {
      case .equal: return view.hopLimit == wanted.value
      case .notEqual: return view.hopLimit != wanted.value
      case .less: return view.hopLimit < wanted.value
      case .greater: return view.hopLimit > wanted.value
      }
    case .tos(let wanted):
      return (view.trafficClass & wanted.mask == wanted.value) != wanted.inverted
    case .dscp(let wanted): return (view.trafficClass >> 2 == wanted.value) != wanted.inverted
    case .addressRange(let wanted):
      return (wanted.source?.matches(view.source) ?? true)
        && (wanted.destination?.matches(view.destination) ?? true)
    case .string(let wanted): return wanted.isFound(in: bytes) != wanted.inverted
    case .u32(let wanted): return wanted.isMet(by: bytes) != wanted.inverted
    case .bpf(let program): return program.run(on: bytes) != 0
    case .fragment(let wanted): return wanted.accepts(view, bytes)
    case .hopByHop(let wanted): return wanted.accepts(view.header(0), view, bytes)
    case .destinationOptions(let wanted): return wanted.accepts(view.header(60), view, bytes)
    case .routingHeader(let wanted): return wanted.accepts(view, bytes)
    case .segmentRouting(let wanted): return wanted.accepts(view, bytes)
    case .headerList(let wanted): return wanted.accepts(view)
    case .mobility(let wanted):
      guard view.protocol == 135, !view.isLaterFragment, let type = data.u8(2) else {
        return false
      }
      return wanted.types?.matches(UInt32(type)) ?? true
    default: return false
    }
  }

  private func meetsAuthentication(_ wanted: SPIMatch, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let header = view.header(51) else { return false }
    let data = TransportBytes(bytes, from: header.start, to: view.totalLength)
    guard let reserved = data.u16(2), let index = data.u32(4) else { return false }
    if let range = wanted.range, !range.matches(index) { return false }
    if let length = wanted.length, !length.matches(UInt32(header.length)) { return false }
    return !wanted.checksReserved || reserved == 0
  }

  /// Where the first TCP option of a kind stands.
  private func tcpOption(_ kind: UInt8, _ data: TransportBytes) -> Int? {
    guard let words = data.u8(12), Int(words >> 4) * 4 <= data.count else { return nil }
    let end = Int(words >> 4) * 4
    var offset = 20
    while offset < end, let found = data.u8(offset) {
      if found == kind { return offset }
      if found == 0 { return nil }
      let length = found == 1 ? 1 : Int(data.u8(offset + 1) ?? 0)
      guard length >= 1, found == 1 || length >= 2 else { return nil }
      offset += length
    }
    return nil
  }

  // MARK: What is known around the packet

  private func meetsFacts(_ match: Match, _ probe: IPv6Probe) throws(IPv6RuleError) -> Bool {
    switch match {
    case .state(let wanted):
      return !wanted.states.isDisjoint(with: probe.states) != wanted.inverted
    case .conntrack(let wanted): return meets(wanted, probe)
    case .connectionMark(let wanted):
      return isTracked(probe) && wanted.matches(probe.connectionMark)
    case .helper(let wanted):
      guard isTracked(probe), let helper = probe.connection.helper else { return wanted.inverted }
      return (wanted.name.isEmpty || wanted.name.hasPrefix(helper)) != wanted.inverted
    case .cluster(let wanted):
      guard isTracked(probe) else { return false }
      let source = probe.isReply ? view.destination : view.source
      return wanted.accepts(
        (0..<4).map { UInt32(truncatingIfNeeded: source >> UInt128(96 - 32 * $0)) }
      )
    case .mark(let wanted): return wanted.matches(probe.mark)
    case .addressType(let wanted):
      guard wanted.interface == nil else {
        throw IPv6RuleError(part: "--limit-iface of -m addrtype", rule: place)
      }
      func isMet(_ types: AddressTypeMatch.Types?, _ address: UInt128) -> Bool {
        guard let types else { return true }
        return types.types.contains(addressType(address, probe)) != types.inverted
      }
      return isMet(wanted.source, view.source) && isMet(wanted.destination, view.destination)
    case .owner(let wanted):
      guard let owner = probe.owner else {
        if wanted.socketExists == true { return false }
        return (wanted.user?.inverted ?? true) && (wanted.group?.inverted ?? true)
      }
      if wanted.socketExists == false { return false }
      return (wanted.user?.matches(owner.user) ?? true)
        && (wanted.group?.matches(owner.group) ?? true)
    case .mac(let wanted):
      guard let mac = probe.sourceMAC else { return false }
      return (mac == wanted.address) != wanted.inverted
    case .eui64:
      guard let mac = probe.sourceMAC else { return false }
      let high = UInt64(mac.rawValue >> 24 & 0xff_ffff)
      let low = UInt64(mac.rawValue & 0xff_ffff)
      let identifier = (high << 40 | 0xfffe << 24 | low) ^ 0x0200_0000_0000_0000
      return UInt64(truncatingIfNeeded: view.source) == identifier
    case .packetType(let wanted):
      let type =
        probe.type != .loopback
        ? probe.type : view.destination >> 120 == 0xff ? PacketType.multicast : .broadcast
      return (type.rawValue == wanted.kind.rawValue) != wanted.inverted
    case .physicalDevice(let wanted):
      // The packet is not one that a bridge passes on.
      if wanted.isBridged == true || wanted.isIn == true || wanted.isOut == true { return false }
      return (wanted.inInterface?.inverted ?? true) && (wanted.outInterface?.inverted ?? true)
    case .deviceGroup(let wanted):
      return (wanted.source?.matches(probe.groups.input) ?? true)
        && (wanted.destination?.matches(probe.groups.output) ?? true)
    default: return false
    }
  }

  func isTracked(_ probe: IPv6Probe) -> Bool {
    probe.states.isDisjoint(with: [.invalid, .untracked])
  }

  private func addressType(_ address: UInt128, _ probe: IPv6Probe) -> AddressTypes {
    if address == 0 { return .unspecified }
    if address >> 120 == 0xff { return .multicast }
    if address == 1 || probe.localAddresses.contains(IPv6Address(rawValue: address)) {
      return .local
    }
    return .unicast
  }

  // MARK: What remembers

  private func meets(_ wanted: StatisticMatch, _ state: UnsafeMutablePointer<MatchState>) -> Bool {
    switch wanted.mode {
    case .random(let threshold):
      let value = UInt32(truncatingIfNeeded: netfilter.simulation.random.next() >> 33)
      return (value < threshold) != wanted.inverted
    case .nth(let every, let first):
      let last = Int64(every) - 1
      if !state.pointee.isInitialized {
        state.pointee.isInitialized = true
        state.pointee.first = last - Int64(first)
      }
      let isTurn = state.pointee.first == last
      state.pointee.first = isTurn ? 0 : state.pointee.first &+ 1
      return isTurn != wanted.inverted
    }
  }

  private func meets(_ wanted: QuotaMatch, _ state: UnsafeMutablePointer<MatchState>) -> Bool {
    if !state.pointee.isInitialized {
      state.pointee.isInitialized = true
      state.pointee.first = Int64(clamping: wanted.bytes)
    }
    let length = Int64(view.totalLength)
    guard state.pointee.first >= length else {
      state.pointee.first = 0
      return wanted.inverted
    }
    state.pointee.first -= length
    return !wanted.inverted
  }
}
