/// The choice of a connection's translation, as Linux's `nf_nat_core` makes it.
extension Conntrack {
  /// Decides one half of a new connection's translation.
  func setUpNAT(_ index: UInt32, _ range: NATRange, _ manipulation: NATManipulation) {
    let entry = table.entry(index)
    guard !entry.pointee.status.contains(.confirmed),
      let current = entry.pointee.reply.inverted
    else { return }
    // The zone of a directional entry stays what it is.
    let tuple = uniqueTuple(current, range, index, manipulation)
    if tuple != current, var reply = tuple.inverted {
      reply.zone = entry.pointee.reply.zone
      entry.pointee.reply = reply
      entry.pointee.status.insert(manipulation == .source ? .sourceNAT : .destinationNAT)
    }
    if manipulation == .source {
      sources.insert(index, in: table)
      entry.pointee.status.insert(.sourceNATDone)
    } else {
      entry.pointee.status.insert(.destinationNATDone)
    }
  }

  /// Decides that one half stays as it is, if no rule said otherwise.
  ///
  /// Even so a port may change, where another connection has taken it.
  func setUpNullNAT(_ index: UInt32, _ manipulation: NATManipulation) {
    let reply = table.entry(index).pointee.reply
    let address = manipulation == .source ? reply.destination : reply.source
    setUpNAT(index, NATRange(address: address), manipulation)
  }

  /// Whether another connection already has the answers to a tuple.
  func isTaken(_ tuple: Tuple, except index: UInt32) -> Bool {
    guard var reply = tuple.inverted else { return false }
    reply.zone = table.entry(index).pointee.reply.zone
    guard let handle = lookup(reply) else { return false }
    return handle.index != index
  }

  private func contains(
    _ range: NATRange,
    _ tuple: Tuple,
    _ manipulation: NATManipulation
  ) -> Bool {
    let value: UInt16
    if tuple.protocol == 1 {
      value = tuple.sourcePort
    } else {
      value = manipulation == .source ? tuple.sourcePort : tuple.destinationPort
    }
    return value >= range.minimumPort && value <= range.maximumPort
  }

  private func isInRange(_ tuple: Tuple, _ range: NATRange) -> Bool {
    if range.flags.contains(.mapAddresses),
      tuple.source < range.minimumAddress || tuple.source > range.maximumAddress
    {
      return false
    }
    guard range.flags.contains(.protocolSpecified) else { return true }
    return contains(range, tuple, .source)
  }

  private func uniqueTuple(
    _ original: Tuple,
    _ range: NATRange,
    _ index: UInt32,
    _ manipulation: NATManipulation
  ) -> Tuple {
    let isRandom = !range.flags.isDisjoint(with: .randomAll)
    if manipulation == .source, !isRandom {
      if isInRange(original, range) {
        if !isTaken(original, except: index) { return original }
      } else if let earlier = earlierTranslation(original, range),
        !isTaken(earlier, except: index)
      {
        return earlier
      }
    }
    var tuple = original
    chooseAddress(&tuple, range, manipulation)
    if !isRandom {
      if range.flags.contains(.protocolSpecified) {
        if !range.flags.contains(.offset), contains(range, tuple, manipulation),
          range.minimumPort == range.maximumPort || !isTaken(tuple, except: index)
        {
          return tuple
        }
      } else if !isTaken(tuple, except: index) {
        return tuple
      }
    }
    choosePort(&tuple, range, index, manipulation)
    return tuple
  }

  /// What the same client port was translated to before, towards another server.
  private func earlierTranslation(_ original: Tuple, _ range: NATRange) -> Tuple? {
    var result: Tuple?
    _ = sources.first(like: original, in: table) { index in
      guard var candidate = table.entry(index).pointee.reply.inverted else { return false }
      candidate.destination = original.destination
      candidate.destinationPort = original.destinationPort
      candidate.zone = original.zone
      guard isInRange(candidate, range) else { return false }
      result = candidate
      return true
    }
    return result
  }

  private func chooseAddress(
    _ tuple: inout Tuple,
    _ range: NATRange,
    _ manipulation: NATManipulation
  ) {
    guard range.flags.contains(.mapAddresses) else { return }
    var address = range.minimumAddress
    if range.minimumAddress != range.maximumAddress {
      let seed =
        range.flags.contains(.persistent)
        ? 0 : tuple.destination.byteSwapped ^ UInt32(tuple.zone)
      let hash = JenkinsHash.ofAddress(tuple.source, seed: seed)
      let distance = range.maximumAddress &- range.minimumAddress &+ 1
      address =
        range.minimumAddress &+ UInt32(truncatingIfNeeded: (UInt64(hash) &* UInt64(distance)) >> 32)
    }
    if manipulation == .source { tuple.source = address } else { tuple.destination = address }
  }

  private func choosePort(
    _ tuple: inout Tuple,
    _ range: NATRange,
    _ index: UInt32,
    _ manipulation: NATManipulation
  ) {
    let usesSource: Bool
    switch tuple.protocol {
    case 1: usesSource = true
    case 6, 17, 33, 132, 136: usesSource = manipulation == .source
    default: return
    }
    let present = usesSource ? tuple.sourcePort : tuple.destinationPort
    var minimum: UInt32
    var size: UInt32
    if range.flags.contains(.protocolSpecified) {
      let low = min(range.minimumPort, range.maximumPort)
      let high = max(range.minimumPort, range.maximumPort)
      minimum = UInt32(low)
      size = UInt32(high) - UInt32(low) + 1
    } else if tuple.protocol == 1 {
      minimum = 0
      size = 65536
    } else {
      if manipulation == .destination { return }
      // A port keeps its class: rsh and its like accept clients below 512 or 1024 only.
      switch present {
      case ..<512: (minimum, size) = (1, 511)
      case ..<1024: (minimum, size) = (600, 424)
      default: (minimum, size) = (1024, 64512)
      }
    }
    var offset: UInt32
    if range.flags.contains(.offset) {
      offset = UInt32(present &- range.basePort)
    } else if !range.flags.isDisjoint(with: .randomAll) || manipulation == .source {
      offset = UInt32(simulation.random.below(65536))
    } else {
      offset = 0
    }
    var attempts = min(size, 128)
    while true {
      for _ in 0..<attempts {
        let candidate = UInt16(truncatingIfNeeded: minimum &+ offset % size)
        if usesSource { tuple.sourcePort = candidate } else { tuple.destinationPort = candidate }
        if !isTaken(tuple, except: index) { return }
        offset = (offset &+ 1) & 0xffff
      }
      if attempts >= size || attempts < 16 { return }
      attempts /= 2
      offset = UInt32(simulation.random.below(65536))
    }
  }
}
