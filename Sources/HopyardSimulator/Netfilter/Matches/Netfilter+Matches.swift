import HopyardWire

extension Netfilter {
  /// Whether a packet meets one match of a rule.
  func meets(
    _ match: Match,
    _ packet: inout Packet,
    _ context: inout RuleContext,
    _ state: UnsafeMutablePointer<MatchState>
  ) -> Bool {
    let view = context.view
    switch match {
    case .comment: return true
    case .tcp(let wanted):
      // What nf_tables compares by itself it reads of later fragments too.
      let isNative = wanted.option == nil && context.hasWords
      guard context.hasPorts || isNative && wanted != TCPMatch(), view.protocol == 6,
        view.transportLength >= (isNative ? 14 : 20)
      else { return false }
      if let ports = wanted.source, !ports.matches(context.sourcePort) { return false }
      if let ports = wanted.destination, !ports.matches(context.destinationPort) { return false }
      if let flags = wanted.flags {
        let set = packet.u8(at: view.transport + 13) & flags.mask.rawValue
        if (set == flags.set.rawValue) == flags.inverted { return false }
      }
      if let option = wanted.option {
        guard let options = TCPOptionRange(packet, view) else { return false }
        return (options.first(option.value, packet) != nil) != option.inverted
      }
      return true
    case .udp(let wanted):
      guard context.hasPorts || context.hasWords && wanted != UDPMatch() else { return false }
      if let ports = wanted.source, !ports.matches(context.sourcePort) { return false }
      if let ports = wanted.destination, !ports.matches(context.destinationPort) { return false }
      return true
    case .icmp(let wanted):
      guard view.protocol == 1, !view.isLaterFragment, view.transportLength >= 4 else {
        return false
      }
      let type = packet.u8(at: view.transport)
      let code = packet.u8(at: view.transport + 1)
      return (wanted.type == 0xff || (type == wanted.type && wanted.codes.contains(code)))
        != wanted.inverted
    case .multiport(let wanted):
      guard context.hasPorts else { return false }
      return wanted.accepts(context.sourcePort, context.destinationPort) != wanted.inverted
    case .state(let wanted):
      return (connectionStates(packet, &context) & wanted.states.rawValue != 0) != wanted.inverted
    case .conntrack(let wanted):
      return meets(wanted, packet, &context)
    case .connectionMark(let wanted):
      guard let entry = entry(of: packet) else { return false }
      return wanted.matches(entry.pointee.mark)
    case .connectionBytes(let wanted):
      return meets(wanted, packet)
    case .connectionLimit(let wanted):
      return meets(wanted, packet, context, state)
    case .helper(let wanted):
      return meetsHelper(wanted.name, packet) != wanted.inverted
    case .mark(let wanted):
      return wanted.matches(packet.metadata.mark)
    case .addressType(let wanted):
      return meets(wanted, context)
    case .addressRange(let wanted):
      if let source = wanted.source, !source.matches(UInt128(view.source)) { return false }
      if let destination = wanted.destination, !destination.matches(UInt128(view.destination)) {
        return false
      }
      return true
    case .statistic(let wanted):
      switch wanted.mode {
      case .random(let threshold):
        return (core.drawLot() < threshold) != wanted.inverted
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
    case .limit(let wanted):
      return meetsLimit(
        cost: Int64(wanted.interval) * 100_000,
        burst: Int64(wanted.burst),
        state
      )
    case .hashLimit(let wanted):
      return meets(wanted, context.flow(packet))
    case .recent(let wanted):
      return meets(wanted, context.flow(packet))
    case .quota(let wanted):
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
    case .length(let wanted):
      return wanted.matches(UInt32(view.totalLength))
    case .ttl(let wanted):
      switch wanted.comparison {
      case .equal: return view.timeToLive == wanted.value
      case .notEqual: return view.timeToLive != wanted.value
      case .less: return view.timeToLive < wanted.value
      case .greater: return view.timeToLive > wanted.value
      }
    case .tos(let wanted):
      return (view.typeOfService & wanted.mask == wanted.value) != wanted.inverted
    case .dscp(let wanted):
      return (view.typeOfService >> 2 == wanted.value) != wanted.inverted
    case .mac(let wanted):
      guard packet.metadata.linkHeaderLength >= 14 else { return false }
      return (packet.linkSource == wanted.address) != wanted.inverted
    case .packetType(let wanted):
      // What looped back from a device counts as what it was sent as.
      let type =
        packet.metadata.type != .loopback
        ? packet.metadata.type
        : IPv4Address(rawValue: view.destination).isMulticast ? .multicast : .broadcast
      return (type.rawValue == wanted.kind.rawValue) != wanted.inverted
    case .owner(let wanted):
      return meets(wanted, packet)
    case .physicalDevice(let wanted):
      return meets(wanted, packet)
    case .reversePath(let wanted):
      guard let input = context.input else { return wanted.inverted }
      return environment.isReversePathRight(
        of: packet,
        input: input,
        loose: wanted.isLoose,
        acceptLocal: wanted.acceptsLocal,
        validMark: wanted.usesMark
      ) != wanted.inverted
    case .socket(let wanted):
      return environment.hasSocket(
        for: packet,
        onlyTransparent: wanted.isTransparent,
        noWildcard: wanted.noWildcard
      )
    case .set(let wanted): return meets(wanted, SetSubject(packet, context))
    case .string(let wanted):
      return packet.withBytes { wanted.isFound(in: $0) } != wanted.inverted
    case .tcpMSS(let wanted):
      guard view.protocol == 6, !view.isLaterFragment else { return false }
      guard let options = TCPOptionRange(packet, view), let option = options.first(2, packet),
        packet.u8(at: option + 1) == 4
      else { return wanted.inverted }
      return wanted.matches(UInt32(packet.u16(at: option + 2)))
    case .u32(let wanted):
      return packet.withBytes { wanted.isMet(by: $0) } != wanted.inverted
    case .ah(let wanted), .esp(let wanted):
      let number: UInt8 = if case .ah = match { 51 } else { 50 }
      let offset = view.transport + (number == 51 ? 4 : 0)
      guard view.protocol == number, !view.isLaterFragment, offset + 4 <= view.totalLength else {
        return false
      }
      return wanted.range?.matches(packet.u32(at: offset)) ?? true
    case .accounting, .bpf, .cluster, .compression, .connectionLabel, .controlGroup, .cpu, .dccp,
      .deviceGroup, .ecn, .fingerprint, .ipvs, .policy, .rate, .realm, .sctp, .time:
      return meetsOther(match, &packet, &context)
    // These are refused when a rule is loaded, or stand in IPv6 rules only.
    case .hopLimit, .icmpv6, .destinationOptions, .eui64, .fragment, .headerList, .hopByHop,
      .mobility, .routingHeader, .segmentRouting:
      return false
    }
  }

  // MARK: Connections

  @inline(__always)
  func entry(of packet: borrowing Packet) -> UnsafeMutablePointer<Conntrack.Entry>? {
    guard let conntrack, let index = conntrack.table.index(of: packet.metadata.conntrack) else {
      return nil
    }
    return conntrack.table.entry(index)
  }

  /// The packet's state as `--ctstate` names it.
  @inline(__always)
  func connectionStates(_ packet: borrowing Packet, _ context: inout RuleContext) -> UInt16 {
    if context.connectionStates == 0 {
      context.connectionStates = computeConnectionStates(packet)
    }
    return context.connectionStates
  }

  private func computeConnectionStates(_ packet: borrowing Packet) -> UInt16 {
    guard let entry = entry(of: packet) else {
      return packet.metadata.conntrackInfo == ConntrackInfo.untracked
        ? ConntrackStates.untracked.rawValue : ConntrackStates.invalid.rawValue
    }
    var bits: UInt16
    switch packet.metadata.conntrackInfo {
    case ConntrackInfo.new: bits = ConntrackStates.new.rawValue
    case ConntrackInfo.related, ConntrackInfo.relatedReply: bits = ConntrackStates.related.rawValue
    default: bits = ConntrackStates.established.rawValue
    }
    if entry.pointee.status.contains(.sourceNAT) { bits |= ConntrackStates.snat.rawValue }
    if entry.pointee.status.contains(.destinationNAT) {
      bits |= ConntrackStates.dnat.rawValue
    }
    return bits
  }

  private func meets(
    _ wanted: ConntrackMatch,
    _ packet: borrowing Packet,
    _ context: inout RuleContext
  ) -> Bool {
    if let states = wanted.states,
      (connectionStates(packet, &context) & states.states.rawValue != 0) == states.inverted
    {
      return false
    }
    guard let entry = entry(of: packet) else {
      // Without a connection only the state can be asked for.
      return wanted == ConntrackMatch(states: wanted.states)
    }
    let original = entry.pointee.original
    let reply = entry.pointee.reply
    if let direction = wanted.direction,
      ConntrackInfo.direction(packet.metadata.conntrackInfo).rawValue != direction.rawValue
    {
      return false
    }
    if let number = wanted.protocol, !number.matches(original.protocol) { return false }
    if let network = wanted.originalSource, !network.matches(original.source) { return false }
    if let network = wanted.originalDestination, !network.matches(original.destination) {
      return false
    }
    if let network = wanted.replySource, !network.matches(reply.source) { return false }
    if let network = wanted.replyDestination, !network.matches(reply.destination) { return false }
    if let ports = wanted.originalSourcePort, !ports.matches(original.sourcePort) { return false }
    if let ports = wanted.originalDestinationPort, !ports.matches(original.destinationPort) {
      return false
    }
    if let ports = wanted.replySourcePort, !ports.matches(reply.sourcePort) { return false }
    if let ports = wanted.replyDestinationPort, !ports.matches(reply.destinationPort) {
      return false
    }
    if let status = wanted.status {
      let facts = UInt8(truncatingIfNeeded: entry.pointee.status.rawValue) & 15
      // NONE is no bit at all, so nothing ever has it.
      if (facts & status.status.rawValue != 0) == status.inverted { return false }
    }
    if let expiry = wanted.expiry {
      var left = entry.pointee.deadline
      if entry.pointee.status.contains(.confirmed) {
        left -= simulation.now.nanoseconds
      }
      if !expiry.matches(UInt32(clamping: left / 1_000_000_000)) { return false }
    }
    return true
  }

  private func meets(_ wanted: ConnectionBytesMatch, _ packet: borrowing Packet) -> Bool {
    guard let conntrack, let entry = entry(of: packet),
      entry.pointee.status.contains(.accounted)
    else { return false }
    let account = conntrack.account(of: entry.pointee)
    let packets: UInt64
    let bytes: UInt64
    switch wanted.direction {
    case .original: (packets, bytes) = (account.packets.0, account.bytes.0)
    case .reply: (packets, bytes) = (account.packets.1, account.bytes.1)
    case .both:
      packets = account.packets.0 &+ account.packets.1
      bytes = account.bytes.0 &+ account.bytes.1
    }
    let value: UInt64
    switch wanted.unit {
    case .packets: value = packets
    case .bytes: value = bytes
    case .average: value = packets == 0 ? 0 : bytes / packets
    }
    return (value >= wanted.from && value <= wanted.to) != wanted.inverted
  }

  private func meetsHelper(_ name: String, _ packet: borrowing Packet) -> Bool {
    guard let conntrack, let entry = entry(of: packet), entry.pointee.master != 0 else {
      return false
    }
    let master = conntrack.table.entry(entry.pointee.master - 1)
    guard let helper = ConntrackHelper(rawValue: master.pointee.helper) else { return false }
    // Only as much is compared as the helper's own name has.
    return name.hasPrefix(helper.name) || name.isEmpty
  }

  // MARK: Others

  private func meets(_ wanted: AddressTypeMatch, _ context: RuleContext) -> Bool {
    var interface: Int32?
    switch wanted.interface {
    case .incoming: interface = context.input?.ifindex
    case .outgoing: interface = context.output?.ifindex
    case nil: break
    }
    if let source = wanted.source {
      let type = environment.addressType(
        of: IPv4Address(rawValue: context.view.source),
        on: interface
      )
      if (source.types.rawValue & (1 << UInt16(type.rawValue)) != 0) == source.inverted {
        return false
      }
    }
    if let destination = wanted.destination {
      let type = environment.addressType(
        of: IPv4Address(rawValue: context.view.destination),
        on: interface
      )
      if (destination.types.rawValue & (1 << UInt16(type.rawValue)) != 0) == destination.inverted {
        return false
      }
    }
    return true
  }

  private func meets(_ wanted: OwnerMatch, _ packet: borrowing Packet) -> Bool {
    switch environment.owner(of: packet) {
    case .none:
      // Inverted conditions are met by a packet without a socket.
      if let exists = wanted.socketExists, exists { return false }
      return (wanted.user?.inverted ?? true) && (wanted.group?.inverted ?? true)
    case .kernel:
      if wanted.socketExists == false { return false }
      return (wanted.user?.inverted ?? true) && (wanted.group?.inverted ?? true)
    case .user(let uid, let gid):
      if wanted.socketExists == false { return false }
      return (wanted.user?.matches(uid) ?? true) && (wanted.group?.matches(gid) ?? true)
    }
  }

  private func meets(_ wanted: PhysicalDeviceMatch, _ packet: borrowing Packet) -> Bool {
    let input = packet.metadata.bridgeInputPort
    let output = packet.metadata.bridgeOutputPort
    guard packet.metadata.flags.contains(.bridgeNetfilter) else {
      // What the bridge does not pass meets inverted conditions only.
      if wanted.isBridged == true || wanted.isIn == true || wanted.isOut == true { return false }
      return (wanted.inInterface?.inverted ?? true) && (wanted.outInterface?.inverted ?? true)
    }
    if let isBridged = wanted.isBridged, (input != 0 && output != 0) != isBridged { return false }
    if let isIn = wanted.isIn, (input != 0) != isIn { return false }
    if let isOut = wanted.isOut, (output != 0) != isOut { return false }
    if let pattern = wanted.inInterface,
      !pattern.matches(input == 0 ? "" : environment.interfaceName(input))
    {
      return false
    }
    if let pattern = wanted.outInterface,
      !pattern.matches(output == 0 ? "" : environment.interfaceName(output))
    {
      return false
    }
    return true
  }
}

extension MultiportMatch {
  @inline(__always)
  func accepts(_ source: UInt16, _ destination: UInt16) -> Bool {
    for range in ports {
      switch side {
      case .source: if range.contains(source) { return true }
      case .destination: if range.contains(destination) { return true }
      case .either: if range.contains(source) || range.contains(destination) { return true }
      }
    }
    return false
  }
}

extension U32Match {
  /// Whether all tests hold; a read past the end is a test that fails.
  func isMet(by bytes: UnsafeRawBufferPointer) -> Bool {
    func word(_ offset: UInt64) -> UInt32? {
      guard offset &+ 4 <= UInt64(bytes.count) else { return nil }
      return UInt32(
        bigEndian: bytes.loadUnaligned(fromByteOffset: Int(offset), as: UInt32.self)
      )
    }
    for test in tests {
      var base: UInt64 = 0
      guard var value = word(UInt64(test.offset)) else { return false }
      for step in test.steps {
        switch step.operation {
        case .and: value &= step.operand
        case .leftShift: value = step.operand < 32 ? value << step.operand : 0
        case .rightShift: value = step.operand < 32 ? value >> step.operand : 0
        case .at:
          base += UInt64(value)
          guard base <= UInt64(bytes.count), let next = word(base + UInt64(step.operand)) else {
            return false
          }
          value = next
        }
      }
      if !test.values.contains(where: { $0.matches(value) }) { return false }
    }
    return true
  }
}

extension StringMatch {
  func isFound(in bytes: UnsafeRawBufferPointer) -> Bool {
    let from = Int(from)
    // The whole pattern lies before the end.
    let last = min(Int(to), bytes.count) - pattern.count
    guard !pattern.isEmpty, from <= last else { return false }
    for start in from...last {
      var length = 0
      while length < pattern.count {
        var byte = bytes[start + length]
        var wanted = pattern[length]
        if ignoresCase {
          if byte >= 65 && byte <= 90 { byte |= 32 }
          if wanted >= 65 && wanted <= 90 { wanted |= 32 }
        }
        if byte != wanted { break }
        length += 1
      }
      if length == pattern.count { return true }
    }
    return false
  }
}

/// Where the options of a TCP header stand.
struct TCPOptionRange {
  let start: Int
  let end: Int

  init?(_ packet: borrowing Packet, _ view: PacketView) {
    guard view.transportLength >= 20 else { return nil }
    let length = Int(packet.u8(at: view.transport + 12) >> 4) * 4
    guard length >= 20, length <= view.transportLength else { return nil }
    start = view.transport + 20
    end = view.transport + length
  }

  /// Where the first option of a kind begins.
  func first(_ kind: UInt8, _ packet: borrowing Packet) -> Int? {
    var position = start
    while position < end {
      let found = packet.u8(at: position)
      if found == 0 { return kind == 0 ? position : nil }
      let length = found == 1 ? 1 : position + 1 < end ? Int(packet.u8(at: position + 1)) : 0
      guard length >= 1, found == 1 || length >= 2, position + length <= end else { return nil }
      if found == kind { return position }
      position += length
    }
    return nil
  }
}

extension Packet {
  /// The destination in the link header that was pulled.
  var linkDestination: MACAddress {
    let offset = -Int(metadata.linkHeaderLength)
    let high = UInt16(bigEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    let low = UInt32(bigEndian: start.loadUnaligned(fromByteOffset: offset + 2, as: UInt32.self))
    return MACAddress(rawValue: UInt64(high) << 32 | UInt64(low))
  }

  /// The source in the link header that was pulled.
  var linkSource: MACAddress {
    let offset = -Int(metadata.linkHeaderLength) + 6
    let high = UInt16(bigEndian: start.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    let low = UInt32(bigEndian: start.loadUnaligned(fromByteOffset: offset + 2, as: UInt32.self))
    return MACAddress(rawValue: UInt64(high) << 32 | UInt64(low))
  }
}
