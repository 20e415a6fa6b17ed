import HopyardSimulator
import HopyardUserland
import HopyardWire

/// Where a rule is asked: what a match can see there.
struct RulePosition {
  var hook: RuleHook
  var hasInput: Bool
  var hasOutput: Bool
  var table: RuleTable
  var chain: String
  /// How often each condition of chance was met in the chain so far, which keeps them apart.
  var occurrences: [String: Int] = [:]
}

/// Turns what rules ask into sets of packets, given what the fields are by then.
struct RuleConditions {
  let space: PacketSpace
  /// What each field is by now, as functions of the packet's bits when it came.
  var fields: [[PacketSet]]

  init(_ space: PacketSpace) {
    self.space = space
    fields = space.fields
  }

  subscript(field: PacketSpace.Field) -> [PacketSet] {
    get { fields[field.rawValue] }
    set { fields[field.rawValue] = newValue }
  }

  private var d: BinaryDecisions { space.decisions }

  private func invert(_ set: PacketSet, _ inverted: Bool) -> PacketSet {
    inverted ? d.not(set) : set
  }

  /// The packets that meet a rule.
  func packets(_ rule: Rule, at position: inout RulePosition) -> PacketSet {
    var result = PacketSet.all
    func require(_ set: @autoclosure () -> PacketSet) {
      if !result.isEmpty { result = d.and(set(), result) }
    }
    if let match = rule.protocol {
      require(invert(d.equals(self[.protocol], UInt128(match.value.rawValue)), match.inverted))
    }
    if let match = rule.destination { require(address(match, .destination)) }
    if let match = rule.source { require(address(match, .source)) }
    if let match = rule.inInterface {
      require(interface(match, .input, isThere: position.hasInput))
    }
    if let match = rule.outInterface {
      require(interface(match, .output, isThere: position.hasOutput))
    }
    if let fragment = rule.fragment { require(invert(self[.isLaterFragment][0], !fragment)) }
    for match in rule.matches {
      // Asked for even if no packet is left, so that chance is counted the same way.
      let set = packets(match, at: &position)
      require(set)
    }
    return result
  }

  private func address(_ match: AddressMatch, _ field: PacketSpace.Field) -> PacketSet {
    invert(d.equals(self[field], match.address, mask: match.mask), match.inverted)
  }

  private func interface(
    _ match: InterfaceMatch,
    _ field: PacketSpace.Field,
    isThere: Bool
  ) -> PacketSet {
    guard isThere else {
      return match.matches("") ? .all : .none
    }
    var result = PacketSet.none
    for (number, name) in space.interfaces.enumerated() where match.matches(name) {
      result = d.or(result, d.equals(self[field], UInt128(number)))
    }
    return result
  }

  // MARK: Matches

  private var hasTransport: PacketSet { d.not(self[.isLaterFragment][0]) }

  private func isProtocol(_ numbers: UInt128...) -> PacketSet {
    numbers.reduce(.none) { d.or($0, d.equals(self[.protocol], $1)) }
  }

  private var hasPorts: PacketSet { d.and(isProtocol(6, 17, 33, 132, 136), hasTransport) }

  private func ports(_ match: PortMatch?, _ field: PacketSpace.Field) -> PacketSet {
    guard let match else { return .all }
    return invert(
      d.within(self[field], UInt128(match.first), UInt128(match.last)),
      match.inverted
    )
  }

  private func range(_ match: RangeMatch, _ bits: [PacketSet]) -> PacketSet {
    invert(d.within(bits, UInt128(match.lower), UInt128(match.upper)), match.inverted)
  }

  private func mark(_ match: MarkMatch, _ field: PacketSpace.Field) -> PacketSet {
    // A value outside the mask can never be equal.
    if match.mark & ~match.mask != 0 { return match.inverted ? .all : .none }
    return invert(
      d.equals(self[field], UInt128(match.mark), mask: UInt128(match.mask)),
      match.inverted
    )
  }

  private func packets(_ match: Match, at position: inout RulePosition) -> PacketSet {
    switch match {
    case .comment: return .all
    case .tcp(let wanted):
      var set = d.and(d.and(isProtocol(6), hasTransport), ports(wanted.source, .sourcePort))
      set = d.and(set, ports(wanted.destination, .destinationPort))
      if let flags = wanted.flags {
        let value = UInt128(flags.set.rawValue)
        let mask = UInt128(flags.mask.rawValue)
        let isMet = value & ~mask == 0 ? d.equals(self[.flags], value, mask: mask) : .none
        set = d.and(set, invert(isMet, flags.inverted))
      }
      if let option = wanted.option {
        let answer = space.answer(to: "the segment has TCP option \(option.value)")
        set = d.and(set, invert(answer, option.inverted))
      }
      return set
    case .udp(let wanted):
      return d.and(
        d.and(hasPorts, ports(wanted.source, .sourcePort)),
        ports(wanted.destination, .destinationPort)
      )
    case .sctp(let wanted):
      var set = d.and(
        d.and(hasPorts, ports(wanted.source, .sourcePort)),
        ports(wanted.destination, .destinationPort)
      )
      if let chunks = wanted.chunks {
        let kinds = chunks.chunks.map { "\($0.kind)/\($0.flagMask)/\($0.flags)" }
        let answer = space.answer(
          to: "the packet has SCTP chunks \(chunks.scope.rawValue) "
            + (chunks.isEverything ? "of all" : kinds.joined(separator: ","))
        )
        set = d.and(set, invert(answer, chunks.inverted))
      }
      return set
    case .multiport(let wanted):
      var set = PacketSet.none
      for range in wanted.ports {
        let bounds = (UInt128(range.lowerBound), UInt128(range.upperBound))
        if wanted.side != .destination {
          set = d.or(set, d.within(self[.sourcePort], bounds.0, bounds.1))
        }
        if wanted.side != .source {
          set = d.or(set, d.within(self[.destinationPort], bounds.0, bounds.1))
        }
      }
      return d.and(hasPorts, invert(set, wanted.inverted))
    case .icmp(let wanted), .icmpv6(let wanted):
      var number: UInt128 = 1
      if case .icmpv6 = match { number = 58 }
      let isAny = wanted.type == 0xff && number == 1
      let isMet =
        isAny
        ? .all
        : d.and(
          d.equals(self[.icmpType], UInt128(wanted.type)),
          d.within(
            self[.icmpCode],
            UInt128(wanted.codes.lowerBound),
            UInt128(wanted.codes.upperBound)
          )
        )
      return d.and(d.and(isProtocol(number), hasTransport), invert(isMet, wanted.inverted))
    case .state(let wanted): return invert(states(wanted.states), wanted.inverted)
    case .conntrack(let wanted): return conntrack(wanted)
    case .mark(let wanted): return mark(wanted, .mark)
    case .connectionMark(let wanted):
      return d.and(isTracked, mark(wanted, .connectionMark))
    case .addressRange(let wanted):
      var set = PacketSet.all
      for (bounds, field) in [
        (wanted.source, PacketSpace.Field.source), (wanted.destination, .destination),
      ] {
        guard let bounds else { continue }
        set = d.and(set, invert(d.within(self[field], bounds.first, bounds.last), bounds.inverted))
      }
      return set
    case .addressType(let wanted): return addressTypes(wanted)
    case .length(let wanted): return range(wanted, self[.length])
    case .ttl(let wanted), .hopLimit(let wanted):
      let value = UInt128(wanted.value)
      switch wanted.comparison {
      case .equal: return d.equals(self[.timeToLive], value)
      case .notEqual: return d.not(d.equals(self[.timeToLive], value))
      case .less: return value == 0 ? .none : d.atMost(self[.timeToLive], value - 1)
      case .greater: return d.not(d.atMost(self[.timeToLive], value))
      }
    case .tos(let wanted):
      if wanted.value & ~wanted.mask != 0 { return wanted.inverted ? .all : .none }
      return invert(
        d.equals(self[.typeOfService], UInt128(wanted.value), mask: UInt128(wanted.mask)),
        wanted.inverted
      )
    case .dscp(let wanted):
      return invert(
        d.equals(Array(self[.typeOfService].prefix(6)), UInt128(wanted.value)),
        wanted.inverted
      )
    case .mac(let wanted):
      return invert(d.equals(self[.sourceMAC], UInt128(wanted.address.rawValue)), wanted.inverted)
    case .packetType(let wanted):
      return invert(d.equals(self[.packetType], UInt128(wanted.kind.rawValue)), wanted.inverted)
    case .owner(let wanted): return owner(wanted)
    default: return answer(match, at: &position)
    }
  }

  /// The answer to a match that is not played out: of state, chance, sets or the packet's data.
  private func answer(_ match: Match, at position: inout RulePosition) -> PacketSet {
    let text = RuleDump.text(of: match, family: space.family)
    // Where chance or a counter decides, two rules with the same words decide apart.
    guard match.isStateful || isChance(match) else { return space.answer(to: text) }
    let count = position.occurrences[text, default: 0]
    position.occurrences[text] = count + 1
    let place = "\(position.table.name) \(position.chain)"
    return space.answer(to: "\(text) in \(place)" + (count == 0 ? "" : " (\(count + 1). time)"))
  }

  private func isChance(_ match: Match) -> Bool {
    if case .statistic = match { return true }
    return false
  }

  // MARK: Connections

  private var isTracked: PacketSet {
    [PacketSpace.State.new, PacketSpace.State.established, PacketSpace.State.related]
      .reduce(.none) { d.or($0, d.equals(self[.state], $1)) }
  }

  private func states(_ wanted: ConntrackStates) -> PacketSet {
    var set = PacketSet.none
    let numbers: [(ConntrackStates, UInt128)] = [
      (.invalid, PacketSpace.State.invalid), (.new, PacketSpace.State.new),
      (.established, PacketSpace.State.established), (.related, PacketSpace.State.related),
      (.untracked, PacketSpace.State.untracked),
    ]
    for (state, number) in numbers where wanted.contains(state) {
      set = d.or(set, d.equals(self[.state], number))
    }
    if wanted.contains(.snat) { set = d.or(set, d.and(isTracked, self[.wasSourceTranslated][0])) }
    if wanted.contains(.dnat) {
      set = d.or(set, d.and(isTracked, self[.wasDestinationTranslated][0]))
    }
    return set
  }

  private func conntrack(_ wanted: ConntrackMatch) -> PacketSet {
    let states = wanted.states.map { invert(self.states($0.states), $0.inverted) } ?? .all
    let rest = ConntrackMatch(states: wanted.states)
    if wanted == rest { return states }
    var set = d.and(states, isTracked)
    if let direction = wanted.direction {
      set = d.and(set, invert(self[.isReply][0], direction == .original))
    }
    if let number = wanted.protocol {
      set = d.and(
        set,
        invert(d.equals(self[.protocol], UInt128(number.value.rawValue)), number.inverted)
      )
    }
    var others = wanted
    others.states = nil
    others.direction = nil
    others.protocol = nil
    guard others != ConntrackMatch() else { return set }
    // The connection's first packet is not this packet: only a new one tells its addresses.
    let new = d.equals(self[.state], PacketSpace.State.new)
    let text = RuleDump.text(of: .conntrack(others), family: space.family)
    let answer = space.answer(to: "the connection meets \(text)")
    return d.and(set, d.choose(new, ofNew(others, or: answer), answer))
  }

  /// What a new connection's own packet says about it; `answer` for the rest.
  private func ofNew(_ wanted: ConntrackMatch, or answer: PacketSet) -> PacketSet {
    guard wanted.replySource == nil, wanted.replyDestination == nil, wanted.replySourcePort == nil,
      wanted.replyDestinationPort == nil, wanted.status == nil, wanted.expiry == nil
    else { return answer }
    // Before translation, which is what the first packet was when it came.
    func original(_ field: PacketSpace.Field) -> [PacketSet] { space[field] }
    var set = PacketSet.all
    for (match, field) in [
      (wanted.originalSource, PacketSpace.Field.source),
      (wanted.originalDestination, .destination),
    ] {
      guard let match else { continue }
      set = d.and(
        set,
        invert(d.equals(original(field), match.address, mask: match.mask), match.inverted)
      )
    }
    for (match, field) in [
      (wanted.originalSourcePort, PacketSpace.Field.sourcePort),
      (wanted.originalDestinationPort, .destinationPort),
    ] {
      guard let match else { continue }
      set = d.and(
        set,
        invert(d.within(original(field), UInt128(match.first), UInt128(match.last)), match.inverted)
      )
    }
    let asksPorts = wanted.originalSourcePort != nil || wanted.originalDestinationPort != nil
    return asksPorts ? d.choose(hasPorts, set, answer) : set
  }

  // MARK: Hosts

  private func addressTypes(_ wanted: AddressTypeMatch) -> PacketSet {
    var set = PacketSet.all
    for (types, field) in [
      (wanted.source, PacketSpace.Field.sourceType), (wanted.destination, .destinationType),
    ] {
      guard let types else { continue }
      var isMet = PacketSet.none
      if wanted.interface != nil {
        let side = field == .sourceType ? "source" : "destination"
        let bits = types.types.rawValue
        isMet = space.answer(
          to: "the \(side) is of types 0x\(String(bits, radix: 16)) on the interface"
        )
      } else {
        for number in 0..<12 where types.types.rawValue >> UInt16(number) & 1 != 0 {
          isMet = d.or(isMet, d.equals(self[field], UInt128(number)))
        }
      }
      set = d.and(set, invert(isMet, types.inverted))
    }
    return set
  }

  private func owner(_ wanted: OwnerMatch) -> PacketSet {
    if wanted.usesSupplementaryGroups, wanted.group != nil {
      return space.answer(to: RuleDump.text(of: .owner(wanted), family: space.family))
    }
    let owned = self[.hasSocket][0]
    var ofOwned = PacketSet.all
    if let user = wanted.user { ofOwned = d.and(ofOwned, range(user, self[.user])) }
    if let group = wanted.group { ofOwned = d.and(ofOwned, range(group, self[.group])) }
    if wanted.socketExists == false { ofOwned = .none }
    let isInverted = (wanted.user?.inverted ?? true) && (wanted.group?.inverted ?? true)
    let ofOthers: PacketSet = isInverted && wanted.socketExists != true ? .all : .none
    return d.choose(owned, ofOwned, ofOthers)
  }
}
