import HopyardWire

/// Sets as rules ask and change them: the parts of an entry are read from the packet.
extension Netfilter {
  /// How many rules and lists of this namespace use a set.
  public func references(toSet name: String) -> Int {
    var count = sets.listReferences(to: name)
    for family in RuleFamily.allCases {
      for variant in RulesetVariant.allCases {
        guard let ruleset = existingRuleset(family, variant) else { continue }
        for table in RuleTable.allCases {
          guard let live = ruleset.existing(table) else { continue }
          for chain in live.table.chains {
            for rule in chain.rules { count += rule.references(toSet: name) }
          }
        }
      }
    }
    return count
  }

  /// Whether a packet meets `-m set`.
  func meets(_ wanted: SetMatch, _ subject: SetSubject) -> Bool {
    guard let set = sets[wanted.name] else { return wanted.inverted }
    let visit = IPSet.Visit(
      bytes: subject.length,
      counts: !wanted.skipsCounters,
      wantedPackets: wanted.packets,
      wantedBytes: wanted.bytes
    )
    let answer = ask(
      set,
      wanted.sources,
      subject,
      visit,
      countsMembers: !wanted.skipsSubcounters
    )
    let isMet: Bool
    switch answer {
    case .absent: isMet = false
    case .member: isMet = !(wanted.returnsNoMatch && set.type.hasNoMatch)
    case .noMatch: isMet = wanted.returnsNoMatch
    }
    return isMet != wanted.inverted
  }

  private func ask(
    _ set: IPSet,
    _ sources: [Bool],
    _ subject: SetSubject,
    _ visit: IPSet.Visit,
    countsMembers: Bool
  ) -> IPSet.Answer {
    if set.type.method == .list {
      var inner = visit
      inner.wantedPackets = nil
      inner.wantedBytes = nil
      inner.counts = visit.counts && countsMembers
      let now = simulation.now.nanoseconds
      for place in set.members.indices where set.members[place].deadline > now {
        guard let member = sets[set.members[place].member],
          ask(member, sources, subject, inner, countsMembers: false) == .member
        else { continue }
        if set.meets(&set.members[place], visit) { return .member }
      }
      return .absent
    }
    guard let key = key(for: set, sources, subject, isTest: true) else { return .absent }
    if set.type.isLastPartOptional { return askHardware(set, key, visit) }
    return set.answer(key, visit)
  }

  /// The first packet fills in the hardware address of an address that was added alone.
  private func askHardware(_ set: IPSet, _ wanted: SetKey, _ visit: IPSet.Visit) -> IPSet.Answer {
    var key = wanted
    key.word = 0
    let index = set.storage.find(key)
    guard index >= 0 else { return .absent }
    if set.storage[index].isFilled {
      guard set.storage[index].hardwareAddress == wanted.word else { return .absent }
    } else {
      var request = SetRequest()
      request.hardwareAddress = wanted.word
      try? set.addHardwareAddress(key, request, true)
    }
    return set.answer(key, visit)
  }

  /// The entry that a packet stands for; nil if it lacks a part.
  private func key(
    for set: IPSet,
    _ sources: [Bool],
    _ subject: SetSubject,
    isTest: Bool
  ) -> SetKey? {
    let type = set.type
    guard sources.count >= type.parts.count,
      set.options.family == .none || set.options.family == subject.family
    else { return nil }
    let whole = UInt8(truncatingIfNeeded: subject.family.addressBits)
    var key = SetKey()
    var isSecondAddress = false
    var isSecondPort = false
    for place in 0..<type.parts.count {
      let isSource = sources[place]
      switch type.parts[place] {
      case .address, .network:
        var address = isSource ? subject.source : subject.destination
        if !isSecondAddress || type.name == "hash:net,net" { address = set.masked(packet: address) }
        if isSecondAddress {
          key.secondAddress = address
          if set.isSecondNetwork {
            key.secondPrefix = isTest ? whole : set.secondPrefixes.lengths.first ?? whole
            key.secondAddress &= set.options.mask(length: Int(key.secondPrefix))
          }
        } else {
          key.address = address
          if set.isFirstNetwork {
            key.prefix = isTest ? whole : set.prefixes.lengths.first ?? whole
            key.address &= set.options.mask(length: Int(key.prefix))
          }
        }
        isSecondAddress = true
      case .port:
        guard let port = isSource ? subject.sourcePort : subject.destinationPort else {
          return nil
        }
        if type.method == .bitmap {
          guard subject.protocol == 6 || subject.protocol == 17 else { return nil }
        } else {
          key.protocol = subject.protocol
        }
        if isSecondPort { key.secondPort = port } else { key.port = port }
        isSecondPort = true
      case .hardwareAddress:
        guard let address = isSource ? subject.sourceMAC : subject.destinationMAC, address != 0
        else { return nil }
        key.word = address
      case .mark: key.word = UInt64(subject.mark & set.options.markMask)
      case .interface:
        guard let name = isSource ? subject.input : subject.output else { return nil }
        key.word = UInt64(name)
      case .set: return nil
      }
    }
    if type.method == .bitmap {
      let value = type.parts == [.port] ? UInt128(key.port) : key.address
      guard value >= UInt128(set.options.range.lowerBound),
        value <= UInt128(set.options.range.upperBound)
      else { return nil }
    } else if type.name == "hash:ip", key.address == 0 {
      return nil
    }
    return key
  }

  // MARK: SET

  /// Carries out `-j SET`; an entry that was mapped gives the mark and priority that it asks for.
  func change(_ target: SetTarget, _ subject: SetSubject) -> SetElement? {
    if let reference = target.add, let set = sets[reference.name] {
      var information = SetExtension()
      if set.options.timeout != nil { information.timeout = target.timeout }
      information.packets = 1
      information.bytes = subject.length
      change(set, reference.sources, subject) { member, key throws(SetError) in
        try member.add(key, noMatch: false, information, exist: target.exists)
      }
    }
    if let reference = target.delete, let set = sets[reference.name] {
      change(set, reference.sources, subject) { member, key throws(SetError) in
        try member.delete(key)
      }
    }
    guard let reference = target.map, let set = sets[reference.name] else { return nil }
    set.lastFound = nil
    let visit = IPSet.Visit(bytes: subject.length, counts: false)
    guard ask(set, reference.sources, subject, visit, countsMembers: false) == .member else {
      return nil
    }
    return set.lastFound
  }

  /// Changes a set, or the first of a list that takes the change.
  private func change(
    _ set: IPSet,
    _ sources: [Bool],
    _ subject: SetSubject,
    _ body: (IPSet, SetKey) throws(SetError) -> Void
  ) {
    let now = simulation.now.nanoseconds
    let candidates =
      set.type.method == .list
      ? set.members.filter { $0.deadline > now }.compactMap { sets[$0.member] } : [set]
    for candidate in candidates {
      guard var key = key(for: candidate, sources, subject, isTest: false) else { continue }
      let word = key.word
      if candidate.type.isLastPartOptional { key.word = 0 }
      do throws(SetError) {
        try body(candidate, key)
        if candidate.type.isLastPartOptional {
          let index = candidate.storage.find(key)
          if index >= 0 { candidate.storage[index].hardwareAddress = word }
        }
        return
      } catch {
        continue
      }
    }
  }
}

extension IPSet {
  /// An address of a packet, cut as `netmask` or `bitmask` says.
  @inline(__always)
  func masked(packet address: UInt128) -> UInt128 {
    if let mask = options.mask { return address & mask }
    guard let prefix = options.prefix else { return address }
    return address & options.mask(length: Int(prefix))
  }
}

extension Rule {
  /// How often the rule uses a set.
  func references(toSet name: String) -> Int {
    var count = 0
    for match in matches {
      if case .set(let wanted) = match, wanted.name == name { count += 1 }
    }
    if case .set(let wanted) = target {
      count += [wanted.add, wanted.delete, wanted.map].count { $0?.name == name }
    }
    return count
  }
}
