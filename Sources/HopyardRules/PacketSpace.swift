import HopyardSimulator
import HopyardWire

/// All packets that rules can tell apart: one variable for each bit of each field.
final class PacketSpace {
  /// A part of a packet that rules look at or change.
  enum Field: Int, CaseIterable {
    case state, isReply, wasSourceTranslated, wasDestinationTranslated
    case `protocol`, isLaterFragment, input, output
    case destination, destinationPort, source, sourcePort
    case flags, icmpType, icmpCode, destinationType, sourceType
    case mark, connectionMark, typeOfService, timeToLive, length
    case packetType, sourceMAC, hasSocket, user, group
  }

  /// The numbers of a connection's states.
  enum State {
    static let invalid: UInt128 = 0
    static let new: UInt128 = 1
    static let established: UInt128 = 2
    static let related: UInt128 = 3
    static let untracked: UInt128 = 4
  }

  let family: RuleFamily
  let decisions: BinaryDecisions
  /// Examples of interfaces, one for each way to meet the rules' patterns.
  let interfaces: [String]
  /// What is known of the host's addresses, as numbers; nil if nothing is.
  let addresses: [(local: UInt128, broadcast: UInt128?)]?
  private(set) var fields: [[PacketSet]] = []
  /// Where a field's variables begin.
  private(set) var starts: [Int] = []
  /// Conditions that are not played out, each with the variable that stands for its answer.
  private(set) var answers: [(text: String, variable: Int, set: PacketSet)] = []
  private var answersByText: [String: PacketSet] = [:]
  /// Bits that stand for what the kernel chooses, by name.
  private var choices: [String: [PacketSet]] = [:]
  /// The packets that can be.
  private(set) var possible = PacketSet.all

  init(
    family: RuleFamily,
    interfaces: [String],
    addresses: [(local: UInt128, broadcast: UInt128?)]?,
    limit: Int
  ) {
    self.family = family
    self.interfaces = interfaces
    self.addresses = addresses
    decisions = BinaryDecisions(limit: limit)
    for field in Field.allCases {
      starts.append(decisions.variableCount)
      fields.append((0..<width(of: field)).map { _ in decisions.makeVariable() })
    }
    possible = makePossible()
  }

  subscript(field: Field) -> [PacketSet] { fields[field.rawValue] }

  func width(of field: Field) -> Int {
    switch field {
    case .state: 3
    case .isReply, .wasSourceTranslated, .wasDestinationTranslated, .isLaterFragment, .hasSocket: 1
    case .protocol, .flags, .icmpType, .icmpCode, .typeOfService, .timeToLive: 8
    case .input, .output: max(1, Int.bitWidth - (max(1, interfaces.count - 1)).leadingZeroBitCount)
    case .source, .destination: family.addressBits
    case .sourcePort, .destinationPort, .length: 16
    case .sourceType, .destinationType: 4
    case .mark, .connectionMark, .user, .group: 32
    case .packetType: 2
    case .sourceMAC: 48
    }
  }

  /// The variable that stands for the answer to a condition that is not played out.
  func answer(to text: String) -> PacketSet {
    if let known = answersByText[text] { return known }
    let variable = decisions.variableCount
    let set = decisions.makeVariable()
    answers.append((text, variable, set))
    answersByText[text] = set
    return set
  }

  /// Bits that the kernel chooses in a way that rules do not tell, such as one of some addresses.
  func choice(_ name: String, width: Int) -> [PacketSet] {
    if let known = choices[name] { return known }
    let bits = (0..<width).map { _ in decisions.makeVariable() }
    choices[name] = bits
    return bits
  }

  // MARK: What can be

  private func isAny(_ field: Field, _ values: [UInt128]) -> PacketSet {
    values.reduce(.none) { decisions.or($0, decisions.equals(self[field], $1)) }
  }

  private func makePossible() -> PacketSet {
    let d = decisions
    func implies(_ one: PacketSet, _ other: PacketSet) -> PacketSet { d.or(d.not(one), other) }
    var result = PacketSet.all
    func require(_ set: PacketSet) { result = d.and(set, result) }
    require(d.atMost(self[.state], State.untracked))
    require(d.atMost(self[.input], UInt128(max(0, interfaces.count - 1))))
    require(d.atMost(self[.output], UInt128(max(0, interfaces.count - 1))))
    let new = d.equals(self[.state], State.new)
    let established = d.equals(self[.state], State.established)
    let related = d.equals(self[.state], State.related)
    let known = d.or(established, related)
    // Only packets of known connections have a direction or were translated.
    for field in [Field.isReply, .wasSourceTranslated, .wasDestinationTranslated] {
      require(implies(d.not(known), d.not(self[field][0])))
    }
    require(implies(d.not(known), d.equals(self[.connectionMark], 0)))
    // Conntrack sees no later fragment as part of a connection.
    require(implies(self[.isLaterFragment][0], d.not(d.or(new, known))))
    require(implies(d.equals(self[.protocol], 6), possibleFlags(new: new, known: known)))
    requireICMP(new: new, established: established, related: related, implies: implies, require)
    let header: [(UInt128, UInt128)] = [(6, 40), (17, 28), (1, 28)]
    for (number, least) in header {
      let extra: UInt128 = family == .ipv4 ? 0 : 20
      require(
        implies(
          d.and(d.equals(self[.protocol], number), d.not(self[.isLaterFragment][0])),
          d.not(d.atMost(self[.length], least + extra - 1))
        )
      )
    }
    require(d.not(d.atMost(self[.length], family == .ipv4 ? 19 : 39)))
    requireAddressTypes(implies: implies, require)
    return result
  }

  /// Flags as conntrack takes them for valid (`tcp_valid_flags`, and the first packets that open).
  private func possibleFlags(new: PacketSet, known: PacketSet) -> PacketSet {
    let d = decisions
    let valid: [UInt128] = [2, 0x22, 0x12, 4, 0x14, 0x11, 0x31, 0x10, 0x30]
    let sound = valid.reduce(PacketSet.none) {
      d.or($0, d.equals(self[.flags], $1, mask: 0x37))
    }
    let opening = d.or(
      d.equals(self[.flags], 2, mask: 0x17),
      d.equals(self[.flags], 0x10, mask: 0x17)
    )
    return d.and(
      d.or(d.not(new), d.and(opening, sound)),
      d.or(d.not(known), sound)
    )
  }

  private func requireICMP(
    new: PacketSet,
    established: PacketSet,
    related: PacketSet,
    implies: (PacketSet, PacketSet) -> PacketSet,
    _ require: (PacketSet) -> Void
  ) {
    let d = decisions
    let isICMP = d.equals(self[.protocol], family == .ipv4 ? 1 : 58)
    let requests: [UInt128] = family == .ipv4 ? [8, 13, 15, 17] : [128]
    let answers: [UInt128] = family == .ipv4 ? [0, 14, 16, 18] : [129]
    let errors: [UInt128] = family == .ipv4 ? [3, 4, 5, 11, 12] : [1, 2, 3, 4]
    let isRequest = isAny(.icmpType, requests)
    let isAnswer = isAny(.icmpType, answers)
    require(implies(d.and(isICMP, new), isRequest))
    require(
      implies(
        d.and(isICMP, established),
        d.choose(self[.isReply][0], isAnswer, isRequest)
      )
    )
    require(implies(d.and(isICMP, related), isAny(.icmpType, errors)))
  }

  private func requireAddressTypes(
    implies: (PacketSet, PacketSet) -> PacketSet,
    _ require: (PacketSet) -> Void
  ) {
    for (type, address) in [(Field.sourceType, Field.source), (.destinationType, .destination)] {
      require(decisions.not(decisions.differ(self[type], typeBits(of: self[address], self[type]))))
    }
  }

  /// The kind of an address (`addrtype`), as a function of its bits; where the host's addresses
  /// are not known, `unknown` decides between unicast, local and broadcast.
  func typeBits(of address: [PacketSet], _ unknown: [PacketSet]) -> [PacketSet] {
    let d = decisions
    func type(_ type: RouteType) -> [PacketSet] { d.constant(UInt128(type.rawValue), width: 4) }
    func isType(_ type: RouteType) -> PacketSet { d.equals(unknown, UInt128(type.rawValue)) }
    var bits: [PacketSet]
    if let addresses {
      bits = type(.unicast)
      for known in addresses {
        if let broadcast = known.broadcast {
          bits = d.choose(d.equals(address, broadcast), type(.broadcast), bits)
        }
        bits = d.choose(d.equals(address, known.local), type(.local), bits)
      }
    } else {
      bits = d.choose(
        isType(.local),
        type(.local),
        d.choose(isType(.broadcast), type(.broadcast), type(.unicast))
      )
    }
    guard family == .ipv4 else {
      let isMulticast = d.equals(address, 0xff << 120, mask: 0xff << 120)
      bits = d.choose(isMulticast, type(.multicast), bits)
      return d.choose(d.equals(address, 1), type(.local), bits)
    }
    bits = d.choose(d.equals(address, 0x7f00_0000, mask: 0xff00_0000), type(.local), bits)
    bits = d.choose(d.equals(address, 0, mask: 0xff00_0000), type(.broadcast), bits)
    bits = d.choose(d.equals(address, 0xe000_0000, mask: 0xf000_0000), type(.multicast), bits)
    return d.choose(d.equals(address, 0xffff_ffff), type(.broadcast), bits)
  }
}
