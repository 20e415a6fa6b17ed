import HopyardSimulator
import HopyardWire

/// A rule as the arguments of `ip rule add` and `ip rule del` describe it.
struct RuleRequest {
  var selector = PolicyRuleSelector<UInt32>()
  /// What the kernel says of ranges whose end is before their start.
  var rangeProblem: String?
  private var hasTable = false
  private let adds: Bool

  /// Reads arguments, or ends the call as ip does.
  static func parse(
    _ words: [String],
    adds: Bool,
    _ context: IpContext
  ) throws(ProcessExit) -> RuleRequest {
    var request = RuleRequest(adds: adds)
    var arguments = IpArguments(words, context)
    while let word = arguments.next() { try request.read(word, &arguments, context) }
    request.complete()
    return request
  }

  private init(adds: Bool) {
    self.adds = adds
    if adds { selector.rule.action = .table }
  }

  private mutating func read(
    _ word: String,
    _ arguments: inout IpArguments,
    _ context: IpContext
  ) throws(ProcessExit) {
    switch word {
    case "not": selector.rule.inverted = true
    case "from":
      let prefix = try arguments.prefix()
      selector.rule.source = prefix.address.rawValue
      selector.rule.sourceLength = prefix.length
      selector.comparesSource = prefix.length > 0
    case "to":
      let prefix = try arguments.prefix()
      selector.rule.destination = prefix.address.rawValue
      selector.rule.destinationLength = prefix.length
      selector.comparesDestination = prefix.length > 0
    case "tos", "dsfield":
      let text = try arguments.value()
      guard let tos = IprouteNames.field(text) else {
        throw arguments.wrong(text, "TOS value is invalid\n")
      }
      selector.rule.tos = tos
    case "fwmark": try readMark(&arguments)
    case "uidrange": try readUsers(&arguments)
    case "suppress_prefixlength", "sup_pl":
      let text = try arguments.value()
      guard let value = IprouteNames.number(text, limit: UInt64(Int32.max)) else {
        throw arguments.wrong(text, "suppress_prefixlength value is invalid\n")
      }
      selector.rule.suppressPrefixLength = Int32(value)
    case "suppress_ifgroup", "sup_group":
      let text = try arguments.value()
      guard let value = text == "default" ? 0 : IprouteNames.number(text, limit: 0x7fff_ffff)
      else {
        throw arguments.wrong(text, "Invalid \"suppress_ifgroup\" value\n")
      }
      selector.rule.suppressGroup = Int32(value)
    case "dev", "iif": selector.rule.inputDevice = try arguments.value()
    case "oif": selector.rule.outputDevice = try arguments.value()
    case "ipproto":
      let text = try arguments.value()
      guard let value = IprouteNames.ipProtocol(text) else {
        throw arguments.wrong(text, "Invalid \"ipproto\" value\n")
      }
      selector.rule.ipProtocol = value
    case "sport":
      selector.rule.sourcePorts = try ports("sport", &arguments)
    case "dport":
      selector.rule.destinationPorts = try ports("dport", &arguments)
    case "l3mdev", "nat", "map-to", "tun_id":
      throw .refused("`\(word)' of ip rule is not modelled")
    default: try readAbbreviated(word, &arguments, context)
    }
  }

  private mutating func readAbbreviated(
    _ word: String,
    _ arguments: inout IpArguments,
    _ context: IpContext
  ) throws(ProcessExit) {
    func isWord(_ name: String) -> Bool { IpOptions.matches(word, name) }
    if isWord("preference") || isWord("order") || isWord("priority") {
      let text = try arguments.value()
      guard let value = IprouteNames.number(text) else {
        throw arguments.wrong(text, "preference value is invalid\n")
      }
      selector.rule.priority = UInt32(value)
      selector.comparesPriority = true
    } else if isWord("realms") {
      let text = try arguments.value()
      guard let value = IprouteNames.realms(text) else {
        throw arguments.wrong(text, "invalid realms\n")
      }
      selector.rule.realms = value
    } else if isWord("protocol") {
      let text = try arguments.value()
      guard let value = IprouteNames.routeProtocol(text) else {
        throw arguments.wrong(text, "\"protocol\" value is invalid\n")
      }
      selector.rule.protocol = value
    } else if isWord("table") || word == "lookup" {
      let text = try arguments.value()
      guard let value = IprouteNames.table(text) else {
        throw arguments.wrong(text, "invalid table ID\n")
      }
      selector.rule.table = value
      hasTable = true
    } else {
      try readAction(word, &arguments, context)
    }
  }

  private mutating func readAction(
    _ first: String,
    _ arguments: inout IpArguments,
    _ context: IpContext
  ) throws(ProcessExit) {
    var word = first
    if word == "type" { word = try arguments.value() }
    if IpOptions.matches(word, "help") {
      context.printError(IpRuleText.usage)
      throw .status(255)
    }
    if IpOptions.matches(word, "goto") {
      let text = try arguments.value()
      guard let value = IprouteNames.number(text) else {
        throw arguments.wrong(text, "invalid target\n")
      }
      selector.rule.action = .goto
      selector.rule.target = UInt32(value)
      selector.comparesAction = true
      return
    }
    if IpOptions.matches(word, "nop") {
      selector.rule.action = .nop
      selector.comparesAction = true
      return
    }
    switch IprouteNames.routeType(word) {
    case .blackhole: selector.rule.action = .blackhole
    case .unreachable: selector.rule.action = .unreachable
    case .prohibit: selector.rule.action = .prohibit
    case .unicast: selector.rule.action = .table
    default:
      throw arguments.fail("Error: argument \"\(word)\" is wrong: Failed to parse rule type\n", 255)
    }
    selector.comparesAction = true
  }

  private mutating func readMark(_ arguments: inout IpArguments) throws(ProcessExit) {
    let text = try arguments.value()
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let mark = IprouteNames.number(String(first)) else {
      throw arguments.wrong(text, "fwmark value is invalid\n")
    }
    selector.rule.mark = UInt32(mark)
    selector.comparesMark = mark != 0 || parts.count > 1
    selector.rule.markMask = mark != 0 ? .max : 0
    if parts.count > 1 {
      guard let mask = IprouteNames.number(String(parts[1])) else {
        throw arguments.wrong(text, "fwmask value is invalid\n")
      }
      selector.rule.markMask = UInt32(mask)
      selector.comparesMask = true
    } else {
      selector.comparesMask = mark != 0
    }
  }

  private mutating func readUsers(_ arguments: inout IpArguments) throws(ProcessExit) {
    let text = try arguments.value()
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, let first = UInt32(parts[0]), let last = UInt32(parts[1]) else {
      throw arguments.wrong(text, "invalid UID range\n")
    }
    guard first <= last else {
      rangeProblem = "Invalid uid range"
      return
    }
    selector.rule.users = first...last
  }

  private mutating func ports(
    _ name: String,
    _ arguments: inout IpArguments
  ) throws(ProcessExit) -> ClosedRange<UInt16>? {
    let text = try arguments.value()
    let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { UInt64($0) }
    guard (1...2).contains(parts.count), let first = parts[0] else {
      throw arguments.wrong(text, "invalid \"\(name)\" value\n")
    }
    var last = first
    if parts.count == 2 {
      guard let given = parts[1] else {
        throw arguments.wrong(text, "invalid \"\(name)\" value\n")
      }
      last = given
    }
    // iproute2 keeps the lower 16 bits.
    let low = UInt16(truncatingIfNeeded: first)
    let high = UInt16(truncatingIfNeeded: last)
    guard low > 0, low <= high, high < 65535 else {
      rangeProblem = "Invalid \(name) range"
      return nil
    }
    return low...high
  }

  private mutating func complete() {
    if hasTable {
      if selector.rule.action == .table {
        selector.comparesTable = selector.rule.table != 0
        selector.comparesAction = true
      }
    } else if adds, selector.rule.action == .table {
      selector.rule.table = RouteTable.main
    }
  }
}

/// Which rules `ip rule show` and `ip rule flush` mean.
struct RuleFilter {
  private var selector = PolicyRuleSelector<UInt32>()
  private var isInverted = false
  private var hasTable = false
  private var routeProtocol: RouteProtocol?
  private var users: ClosedRange<UInt32>?

  /// Reads arguments, or ends the call as ip does.
  static func parse(_ words: [String], _ context: IpContext) throws(ProcessExit) -> RuleFilter {
    var filter = RuleFilter()
    var arguments = IpArguments(words, context)
    while let word = arguments.next() { try filter.read(word, &arguments, context) }
    return filter
  }

  private mutating func read(
    _ word: String,
    _ arguments: inout IpArguments,
    _ context: IpContext
  ) throws(ProcessExit) {
    func isWord(_ name: String) -> Bool { IpOptions.matches(word, name) }
    if isWord("preference") || isWord("order") || isWord("priority") {
      let text = try arguments.value()
      guard let value = IprouteNames.number(text) else {
        throw arguments.wrong(text, "preference value is invalid\n")
      }
      selector.rule.priority = UInt32(value)
      selector.comparesPriority = true
      return
    }
    if isWord("protocol") {
      let text = try arguments.value()
      guard let value = IprouteNames.routeProtocol(text) else {
        throw arguments.wrong(text, "invalid \"protocol\"\n")
      }
      routeProtocol = value
      return
    }
    if isWord("table") || word == "lookup" {
      let text = try arguments.value()
      guard let value = IprouteNames.table(text) else {
        throw arguments.wrong(text, "table id value is invalid\n")
      }
      selector.rule.table = value
      hasTable = true
      return
    }
    switch word {
    case "not": isInverted = true
    case "tos", "dsfield":
      let text = try arguments.value()
      guard let tos = IprouteNames.field(text) else {
        throw arguments.wrong(text, "TOS value is invalid\n")
      }
      selector.rule.tos = tos
    case "fwmark":
      let text = try arguments.value()
      let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      guard let mark = parts.first.flatMap({ IprouteNames.number(String($0)) }) else {
        throw arguments.wrong(text, "fwmark value is invalid\n")
      }
      selector.rule.mark = UInt32(mark)
      selector.comparesMark = true
      if parts.count > 1 {
        guard let mask = IprouteNames.number(String(parts[1])) else {
          throw arguments.wrong(text, "fwmask value is invalid\n")
        }
        selector.rule.markMask = UInt32(mask)
        selector.comparesMask = true
      }
    case "uidrange":
      let text = try arguments.value()
      let parts = text.split(separator: "-", omittingEmptySubsequences: false)
      guard parts.count == 2, let first = UInt32(parts[0]), let last = UInt32(parts[1]),
        first <= last
      else { throw arguments.wrong(text, "invalid UID range\n") }
      users = first...last
    case "dev", "iif": selector.rule.inputDevice = try arguments.value()
    case "oif": selector.rule.outputDevice = try arguments.value()
    case "ipproto":
      let text = try arguments.value()
      guard let value = IprouteNames.ipProtocol(text) else {
        throw arguments.wrong(text, "Invalid \"ipproto\" value\n")
      }
      selector.rule.ipProtocol = value
    case "sport": selector.rule.sourcePorts = try ports("sport", &arguments)
    case "dport": selector.rule.destinationPorts = try ports("dport", &arguments)
    case "l3mdev", "tun_id": throw .refused("`\(word)' of ip rule is not modelled")
    case "to":
      let prefix = try arguments.prefix(isInet: true)
      selector.rule.destination = prefix.address.rawValue
      selector.rule.destinationLength = prefix.length
      selector.comparesDestination = true
    default:
      let text = word == "from" ? try arguments.value() : word
      if text == "help" {
        context.printError(IpRuleText.usage)
        throw .status(255)
      }
      guard let prefix = IproutePrefix(text) else { throw arguments.badPrefix(text, isInet: true) }
      selector.rule.source = prefix.address.rawValue
      selector.rule.sourceLength = prefix.length
      selector.comparesSource = prefix.length > 0
    }
  }

  private func ports(
    _ name: String,
    _ arguments: inout IpArguments
  ) throws(ProcessExit) -> ClosedRange<UInt16> {
    let text = try arguments.value()
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let first = UInt16(parts[0]),
      let last = UInt16(parts[parts.count - 1]), first <= last
    else { throw arguments.wrong(text, "invalid \"\(name)\" value\n") }
    return first...last
  }

  /// Whether a rule is meant; the protocol counts for flushing only.
  func accepts(_ rule: PolicyRule<UInt32>, forFlush: Bool = false) -> Bool {
    if forFlush, let routeProtocol, routeProtocol != rule.protocol { return false }
    if isInverted, !rule.inverted { return false }
    if selector.comparesPriority, selector.rule.priority != rule.priority { return false }
    if selector.comparesSource {
      // Rules for a part of the network count too.
      let length = selector.rule.sourceLength
      if length > rule.sourceLength { return false }
      let mask = IPv4Prefix.mask(length: length).rawValue
      if (selector.rule.source ^ rule.source) & mask != 0 { return false }
    }
    if selector.comparesDestination {
      let length = selector.rule.destinationLength
      if length > rule.destinationLength { return false }
      let mask = IPv4Prefix.mask(length: length).rawValue
      if (selector.rule.destination ^ rule.destination) & mask != 0 { return false }
    }
    if selector.rule.tos != 0, selector.rule.tos != rule.tos { return false }
    if selector.comparesMark, selector.rule.mark != rule.mark { return false }
    if selector.comparesMask, selector.rule.markMask != rule.markMask { return false }
    if let name = selector.rule.inputDevice, name != rule.inputDevice { return false }
    if let name = selector.rule.outputDevice, name != rule.outputDevice { return false }
    if selector.rule.ipProtocol != 0, selector.rule.ipProtocol != rule.ipProtocol { return false }
    if let ports = selector.rule.sourcePorts, ports != rule.sourcePorts { return false }
    if let ports = selector.rule.destinationPorts, ports != rule.destinationPorts { return false }
    if let users, users != rule.users { return false }
    if hasTable, selector.rule.table != 0 {
      guard rule.action == .table, selector.rule.table == rule.table else { return false }
    }
    return true
  }
}
