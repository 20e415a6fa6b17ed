import HopyardWire

/// What targets do, beside letting a packet pass or not.
extension Netfilter {
  /// Carries out a rule's target.
  func carryOut(
    _ chain: UnsafeMutablePointer<ChainCode>,
    _ index: Int,
    _ packet: inout Packet,
    _ context: inout RuleContext,
    _ isTraced: Bool
  ) -> TargetVerdict {
    let rules = chain.pointee.compiled.takeUnretainedValue().chain.rules
    guard let target = rules[index].target else { return .next }
    guard isTraced else { return carryOut(target, &packet, &context) }
    let before = PacketSummary.line(packet)
    let verdict = carryOut(target, &packet, &context)
    let word: String
    switch verdict {
    case .next: word = "continue"
    case .accept: word = "accept"
    case .drop: word = "drop"
    case .fate(let fate): word = fate.name
    }
    trace(chain, index, packet, context, word, before: before)
    return verdict
  }

  private func carryOut(
    _ target: Target,
    _ packet: inout Packet,
    _ context: inout RuleContext
  ) -> TargetVerdict {
    switch target {
    case .accept: return .accept
    case .drop, .queue: return .drop
    case .return, .jump, .goto: return .next
    case .reject(let reason):
      reject(reason, packet, context)
      return .drop
    case .mark(let change):
      packet.metadata.mark = change.applied(to: packet.metadata.mark)
      return .next
    case .connectionMark(let change):
      changeConnectionMark(change, packet)
      return .next
    case .snat(let nat):
      bind(packet, NATRange(nat), .source)
      return .accept
    case .dnat(let nat):
      bind(packet, NATRange(nat), .destination)
      return .accept
    case .masquerade(let ports):
      return masquerade(ports, packet, context)
    case .redirect(let ports):
      return redirect(ports, packet, context)
    case .netmap(let network):
      return netmap(network, packet, context)
    case .log(let log):
      environment.log(LogLine(log, packet, context, self).text)
      return .next
    case .notrack:
      leaveUntracked(packet)
      return .next
    case .conntrack(let wanted):
      chooseTracking(wanted, packet)
      return .next
    case .ttl(let change):
      changeTTL(change, &packet, &context)
      return .next
    case .tos(let change):
      setTypeOfService(
        (context.view.typeOfService & ~change.mask) ^ change.value,
        &packet,
        &context
      )
      return .next
    case .dscp(let value):
      setTypeOfService((context.view.typeOfService & 3) | value << 2, &packet, &context)
      return .next
    case .tcpMSS(let change):
      return changeMSS(change, &packet, &context) ? .next : .drop
    case .classify(let priority):
      packet.metadata.priority = priority
      return .next
    case .tee(let copy):
      // What a copy meets on its way makes no further copies.
      guard !isCopying else { return .next }
      isCopying = true
      defer { isCopying = false }
      environment.sendCopy(
        of: packet,
        toward: IPv4Address(rawValue: UInt32(truncatingIfNeeded: copy.gateway)),
        output: copy.outInterface
      )
      return .next
    case .nfqueue(let queue):
      // Nobody listens; with --queue-bypass the packet passes this chain.
      return queue.bypasses ? .accept : .drop
    case .tproxy(let proxy):
      return assign(proxy, &packet, context)
    case .trace:
      packet.metadata.flags.insert(.traced)
      return .next
    case .set(let wanted):
      if let entry = change(wanted, SetSubject(packet, context)) {
        if wanted.mapsMark {
          packet.metadata.mark = (packet.metadata.mark & ~entry.markMask) ^ entry.mark
        }
        if wanted.mapsPriority { packet.metadata.priority = entry.priority }
      }
      return .next
    case .ecn(let change):
      return self.change(change, &packet, &context) ? .next : .drop
    case .stripTCPOptions(let options):
      return strip(options, &packet, context) ? .next : .drop
    case .hashMark(let wanted):
      if let mark = hashMark(wanted, packet, context) { packet.metadata.mark = mark }
      return .next
    case .rateEstimator(let estimator):
      count(estimator, bytes: context.view.totalLength)
      return .next
    // What these do is seen outside the network only.
    case .audit, .checksumFill, .connectionSecurityMark, .idleTimer, .led, .nflog: return .next
    // These are refused when a rule is loaded, or stand in IPv6 rules only.
    case .hopLimit, .securityMark, .synproxy, .sourcePrefix, .destinationPrefix:
      return .next
    }
  }

  // MARK: Answers

  private func reject(
    _ reason: RejectReason,
    _ packet: borrowing Packet,
    _ context: RuleContext
  ) {
    // What cannot be verified, as a first fragment, is not answered.
    guard isVerifiable(packet, context.view) else { return }
    let code: UInt8
    switch reason {
    case .networkUnreachable: code = 0
    case .hostUnreachable: code = 1
    case .protocolUnreachable: code = 2
    case .portUnreachable: code = 3
    case .networkProhibited: code = 9
    case .hostProhibited: code = 10
    case .adminProhibited: code = 13
    case .tcpReset:
      environment.sendReset(about: packet, hook: context.hook, input: context.input)
      return
    default: return
    }
    environment.sendUnreachable(
      about: packet,
      code: code,
      hook: context.hook,
      input: context.input
    )
  }

  private func isVerifiable(_ packet: borrowing Packet, _ view: PacketView) -> Bool {
    guard !view.isLaterFragment else { return false }
    let length = view.transportLength
    var initial: UInt64 = 0
    switch view.protocol {
    case 1: break
    case 17 where length >= 8 && packet.u16(at: view.transport + 6) == 0: return true
    case 6, 17:
      initial = InternetChecksum.pseudoHeader(
        source: IPv4Address(rawValue: view.source),
        destination: IPv4Address(rawValue: view.destination),
        protocol: IPProtocol(rawValue: view.protocol),
        length: length
      )
    default: return true
    }
    return packet.withBytes { bytes in
      InternetChecksum.isValid(
        UnsafeRawBufferPointer(rebasing: bytes[view.transport..<view.totalLength]),
        initial: initial
      )
    }
  }

  // MARK: Translation

  private func masquerade(
    _ ports: PortTarget,
    _ packet: borrowing Packet,
    _ context: RuleContext
  ) -> TargetVerdict {
    guard let output = context.output, context.view.source != 0 else { return .accept }
    guard
      let address = environment.sourceAddress(
        toward: IPv4Address(rawValue: context.view.destination),
        output: output
      )
    else { return .drop }
    var range = NATRange(ports)
    range.setAddress(address.rawValue)
    bind(packet, range, .source, masqueradeDevice: output.device)
    return .accept
  }

  private func redirect(
    _ ports: PortTarget,
    _ packet: borrowing Packet,
    _ context: RuleContext
  ) -> TargetVerdict {
    var range = NATRange(ports)
    if context.hook == .output {
      range.setAddress(IPv4Address.loopback.rawValue)
    } else {
      guard let input = context.input, let address = environment.firstAddress(of: input.device)
      else { return .drop }
      range.setAddress(address.rawValue)
    }
    bind(packet, range, .destination)
    return .accept
  }

  private func netmap(
    _ network: AddressMatch,
    _ packet: borrowing Packet,
    _ context: RuleContext
  ) -> TargetVerdict {
    let mask = UInt32(truncatingIfNeeded: network.mask)
    let manipulation = context.hook.manipulation
    let old = manipulation == .source ? context.view.source : context.view.destination
    let address = old & ~mask | UInt32(truncatingIfNeeded: network.address) & mask
    bind(packet, NATRange(address: address), manipulation)
    return .accept
  }

  // MARK: Connections

  private func changeConnectionMark(
    _ change: ConnectionMarkTarget,
    _ packet: borrowing Packet
  ) {
    guard let entry = entry(of: packet) else { return }
    switch change {
    case .set(let mark):
      setMark(mark.applied(to: entry.pointee.mark), entry)
    case .save(let packetMask, let mask):
      setMark((entry.pointee.mark & ~mask) ^ (packet.metadata.mark & packetMask), entry)
    case .restore(let packetMask, let mask):
      packet.metadata.mark =
        (packet.metadata.mark & ~packetMask) ^ (entry.pointee.mark & mask)
    case .shifted(let change, let left, let bits):
      func shifted(_ mark: UInt32) -> UInt32 { left ? mark << bits : mark >> bits }
      let old = entry.pointee.mark
      switch change {
      case .set(let change): setMark(shifted(change.applied(to: old)), entry)
      case .save(let packetMask, let mask):
        setMark((old & ~mask) ^ shifted(packet.metadata.mark & packetMask), entry)
      case .restore(let packetMask, let mask):
        packet.metadata.mark = (packet.metadata.mark & ~packetMask) ^ shifted(old & mask)
      // A shift is of one of the others.
      case .shifted: break
      }
    }
  }

  private func setMark(_ mark: UInt32, _ entry: UnsafeMutablePointer<Conntrack.Entry>) {
    guard entry.pointee.mark != mark else { return }
    entry.pointee.mark = mark
    entry.pointee.changes.insert(.mark)
  }

  private func leaveUntracked(_ packet: borrowing Packet) {
    guard packet.metadata.conntrack == 0 else { return }
    packet.metadata.conntrackInfo = ConntrackInfo.untracked
  }

  private func chooseTracking(_ wanted: ConntrackTarget, _ packet: borrowing Packet) {
    // A packet that already belongs to a connection keeps it.
    guard packet.metadata.conntrack == 0 else { return }
    if wanted.isUntracked {
      leaveUntracked(packet)
      return
    }
    let helper = wanted.helper.flatMap { name in
      ConntrackHelper.allCases.first { $0.name == name }
    }
    let zone =
      wanted.zoneIsMark ? UInt16(truncatingIfNeeded: packet.metadata.mark) : wanted.zone ?? 0
    guard zone != 0 || helper != nil else { return }
    packet.metadata.conntrack =
      ConntrackTemplate(
        zone: zone,
        zoneInOriginal: wanted.zoneDirection != .reply,
        zoneInReply: wanted.zoneDirection != .original,
        helper: helper?.rawValue ?? 0
      ).reference
  }

  // MARK: Headers

  private func changeTTL(
    _ change: HopTarget,
    _ packet: inout Packet,
    _ context: inout RuleContext
  ) {
    let old = context.view.timeToLive
    let new: UInt8
    switch change.operation {
    case .set: new = change.value
    case .increase: new = UInt8(clamping: Int(old) + Int(change.value))
    case .decrease: new = UInt8(clamping: Int(old) - Int(change.value))
    }
    guard new != old else { return }
    let before = packet.u16(at: 8)
    packet.setU8(new, at: 8)
    packet.setU16(
      InternetChecksum.adjust(packet.u16(at: 10), from: before, to: packet.u16(at: 8)),
      at: 10
    )
    context.view.timeToLive = new
  }

  func setTypeOfService(
    _ value: UInt8,
    _ packet: inout Packet,
    _ context: inout RuleContext
  ) {
    guard value != context.view.typeOfService else { return }
    let before = packet.u16(at: 0)
    packet.setU8(value, at: 1)
    packet.setU16(
      InternetChecksum.adjust(packet.u16(at: 10), from: before, to: packet.u16(at: 0)),
      at: 10
    )
    context.view.typeOfService = value
  }

  private func assign(
    _ proxy: TProxyTarget,
    _ packet: inout Packet,
    _ context: RuleContext
  ) -> TargetVerdict {
    guard context.hasPorts else { return .drop }
    let port = proxy.port == 0 ? context.destinationPort : proxy.port
    var address = IPv4Address(rawValue: UInt32(truncatingIfNeeded: proxy.address))
    if address.isAny, let input = context.input {
      address =
        environment.firstAddress(of: input.device)
        ?? IPv4Address(rawValue: context.view.destination)
    }
    guard
      environment.assignSocket(&packet, address: address, port: port, input: context.input)
    else { return .drop }
    packet.metadata.mark = (packet.metadata.mark & ~proxy.mask) ^ proxy.mark
    return .accept
  }
}

extension NATRange {
  /// The range of SNAT or DNAT.
  init(_ target: NATTarget) {
    self.init()
    if let addresses = target.addresses {
      flags.insert(.mapAddresses)
      minimumAddress = UInt32(truncatingIfNeeded: addresses.first)
      maximumAddress = UInt32(truncatingIfNeeded: addresses.last)
    }
    setPorts(target.ports, target.options)
  }

  /// The range of MASQUERADE or REDIRECT, without its address.
  init(_ target: PortTarget) {
    self.init()
    setPorts(target.ports, target.options)
  }

  mutating func setAddress(_ address: UInt32) {
    flags.insert(.mapAddresses)
    minimumAddress = address
    maximumAddress = address
  }

  private mutating func setPorts(_ ports: NATPorts?, _ options: NATOptions) {
    if let ports {
      flags.insert(.protocolSpecified)
      minimumPort = ports.first
      maximumPort = ports.last
      if let base = ports.base {
        flags.insert(.offset)
        basePort = base
      }
    }
    if options.contains(.random) { flags.insert(.random) }
    if options.contains(.randomFully) { flags.insert(.randomFully) }
    if options.contains(.persistent) { flags.insert(.persistent) }
  }
}
