import HopyardSimulator
import HopyardWire

/// What the kernel checks before it takes a rule.
enum RuleValidation {
  /// A reason to refuse a rule, in the words of errno.
  enum Problem: String, Hashable {
    case invalid = "Invalid argument"
    case tooManyLinks = "Too many links"
    case noSuchFile = "No such file or directory"
    case notSupported = "Operation not supported"
  }

  /// The most chains that nf_tables lets a packet be in at once, base chain aside.
  private static let depthLimit = 15

  // MARK: One rule by itself

  /// What is wrong with a rule in a table, wherever it stands.
  static func problem(
    _ rule: Rule,
    _ table: RuleTable,
    _ family: RuleFamily,
    _ variant: RulesetVariant
  ) -> Problem? {
    for match in rule.matches where !isPossible(match, rule, table, family, variant) {
      return .invalid
    }
    guard let target = rule.target else { return hasEmptyInversion(rule, variant) }
    if case .queue = target, variant == .nft { return .noSuchFile }
    return isPossible(target, rule, table, variant) ? hasEmptyInversion(rule, variant) : .invalid
  }

  /// nf_tables refuses to compare no bits of an address.
  private static func hasEmptyInversion(_ rule: Rule, _ variant: RulesetVariant) -> Problem? {
    guard variant == .nft else { return nil }
    for case .some(let match) in [rule.source, rule.destination]
    where match.inverted && match.mask == 0 {
      return .invalid
    }
    return nil
  }

  private static func needs(_ number: UInt8, _ rule: Rule) -> Bool {
    rule.protocol == ProtocolMatch(IPProtocol(rawValue: number))
  }

  private static func isPossible(
    _ match: Match,
    _ rule: Rule,
    _ table: RuleTable,
    _ family: RuleFamily,
    _ variant: RulesetVariant
  ) -> Bool {
    switch match {
    // In IPv6 it is one of the headers before that of the protocol.
    case .ah: family == .ipv6 || needs(51, rule)
    case .compression: needs(108, rule)
    case .dccp: needs(33, rule)
    case .ecn(let match): !match.needsTCP || needs(6, rule)
    case .fingerprint: needs(6, rule)
    case .mobility: needs(135, rule)
    case .esp: needs(50, rule)
    case .icmp: needs(1, rule)
    case .icmpv6: needs(58, rule)
    case .sctp: needs(132, rule)
    case .tcpMSS: needs(6, rule)
    // nf_tables compares ports itself and does not mind an inverted protocol.
    case .tcp(let match):
      needs(6, rule) || variant == .nft && match != TCPMatch() && rule.protocol?.value == .tcp
    case .udp(let match):
      needs(17, rule) || variant == .nft && match != UDPMatch() && rule.protocol?.value == .udp
    case .reversePath: table == .raw || table == .mangle
    default: true
    }
  }

  private static func isPossible(
    _ target: Target,
    _ rule: Rule,
    _ table: RuleTable,
    _ variant: RulesetVariant
  ) -> Bool {
    switch target {
    case .snat, .dnat, .masquerade, .redirect, .netmap: table == .nat
    case .reject(let reason): table == .filter && (reason != .tcpReset || needs(6, rule))
    case .conntrack, .notrack: table == .raw
    case .tproxy: table == .mangle && (needs(6, rule) || needs(17, rule))
    case .ttl, .hopLimit, .tos, .checksumFill: table == .mangle
    case .ecn(let change):
      table == .mangle
        && (needs(6, rule) || !change.removesTCP && change.echo == nil && change.reduced == nil)
    case .stripTCPOptions: table == .mangle && needs(6, rule)
    case .connectionSecurityMark: table == .mangle || table == .security
    case .sourcePrefix, .destinationPrefix: table == .mangle
    case .synproxy: needs(6, rule)
    case .dscp: table == .mangle
    case .set(let change): change.map == nil || table == .mangle
    case .trace: table == .raw || variant == .nft
    case .tcpMSS:
      needs(6, rule) && (variant == .nft || rule.matches.contains { isSYN($0) })
    default: true
    }
  }

  private static func isSYN(_ match: Match) -> Bool {
    if case .tcp(let match) = match, let flags = match.flags {
      return flags.set.contains(.syn) && flags.mask.contains(.syn) && !flags.inverted
    }
    return false
  }

  // MARK: Where a rule may stand

  /// The hooks at which a rule may be asked.
  static func allowedHooks(_ rule: Rule) -> RuleHooks {
    var hooks = RuleHooks.all
    for match in rule.matches {
      switch match {
      case .owner: hooks.formIntersection([.output, .postrouting])
      case .mac, .eui64, .fingerprint: hooks.formIntersection([.prerouting, .input, .forward])
      case .controlGroup: hooks.formIntersection([.input, .output, .postrouting])
      case .deviceGroup(let match):
        if match.source != nil { hooks.formIntersection([.prerouting, .input, .forward]) }
        if match.destination != nil { hooks.formIntersection([.forward, .output, .postrouting]) }
      case .policy(let match):
        hooks.formIntersection(
          match.isIn ? [.prerouting, .input, .forward] : [.forward, .output, .postrouting]
        )
      case .realm: hooks.formIntersection([.input, .forward, .output, .postrouting])
      case .reversePath: hooks.formIntersection(.prerouting)
      case .socket: hooks.formIntersection([.prerouting, .input])
      case .addressType(let match):
        switch match.interface {
        case nil: break
        case .incoming: hooks.formIntersection([.prerouting, .input, .forward])
        case .outgoing: hooks.formIntersection([.forward, .output, .postrouting])
        }
      case .physicalDevice(let match):
        if match.outInterface != nil || match.isOut != nil, match.isBridged != true {
          hooks.subtract(.output)
        }
      default: break
      }
    }
    switch rule.target {
    case .snat: hooks.formIntersection([.input, .postrouting])
    case .masquerade: hooks.formIntersection(.postrouting)
    case .dnat, .redirect: hooks.formIntersection([.prerouting, .output])
    case .netmap: hooks.formIntersection([.prerouting, .input, .output, .postrouting])
    case .reject: hooks.formIntersection([.input, .forward, .output])
    case .tproxy: hooks.formIntersection(.prerouting)
    case .sourcePrefix: hooks.formIntersection([.input, .postrouting])
    case .destinationPrefix: hooks.formIntersection([.prerouting, .output])
    case .synproxy: hooks.formIntersection([.input, .forward])
    case .classify: hooks.formIntersection([.forward, .output, .postrouting])
    case .set(let change) where change.mapsPriority || change.mapsQueue:
      hooks.formIntersection([.forward, .output, .postrouting])
    case .tcpMSS(.clampToPMTU): hooks.formIntersection([.forward, .output, .postrouting])
    default: break
    }
    return hooks
  }

  /// The first problem of the chains that packets can reach, or nil.
  static func problem(_ table: LiveTable, _ variant: RulesetVariant) -> Problem? {
    var walk = Walk(table: table, variant: variant)
    for hook in table.name.hooks {
      if let problem = walk.visit(hook.chainName, hook: hook) { return problem }
    }
    return nil
  }

  /// A walk through all chains that a hook leads to.
  private struct Walk {
    let table: LiveTable
    let variant: RulesetVariant
    /// The depth below each chain that has been seen, for each hook.
    private var depths: [String: Int] = [:]
    private var onPath: Set<String> = []
    private var restrictions: [String: RuleHooks] = [:]

    init(table: LiveTable, variant: RulesetVariant) {
      self.table = table
      self.variant = variant
    }

    mutating func visit(_ base: String, hook: RuleHook) -> Problem? {
      depths = [:]
      onPath = []
      // An explicit stack: a dump can nest chains deeper than the machine's stack.
      struct Frame {
        var name: String
        var rest: ArraySlice<String>
        var depth = 0
      }
      func frame(_ name: String) -> Frame {
        var seen: Set<String> = []
        let next = table.destinations(ofChain: name).filter { seen.insert($0).inserted }
        return Frame(name: name, rest: next[...])
      }
      var stack = [frame(base)]
      onPath.insert(base)
      if !allowed(base).contains(RuleHooks(hook)) { return .invalid }
      while var top = stack.popLast() {
        if let next = top.rest.popFirst() {
          if onPath.contains(next) { return .tooManyLinks }
          if let depth = depths[next] {
            top.depth = max(top.depth, depth + 1)
            stack.append(top)
            continue
          }
          stack.append(top)
          guard table.hasChain(next) else { continue }
          if !allowed(next).contains(RuleHooks(hook)) { return .invalid }
          onPath.insert(next)
          stack.append(frame(next))
          continue
        }
        depths[top.name] = top.depth
        onPath.remove(top.name)
        if let parent = stack.indices.last {
          stack[parent].depth = max(stack[parent].depth, top.depth + 1)
        }
      }
      if variant == .nft, let depth = depths[base], depth > depthLimit { return .tooManyLinks }
      return nil
    }

    private mutating func allowed(_ chain: String) -> RuleHooks {
      if let known = restrictions[chain] { return known }
      var hooks = RuleHooks.all
      for rule in table.rules(ofChain: chain) ?? [] {
        hooks.formIntersection(allowedHooks(rule))
      }
      restrictions[chain] = hooks
      return hooks
    }
  }

  /// Whether adding a rule can make the table invalid though the rule by itself is not.
  static func mayMatterElsewhere(_ rule: Rule) -> Bool {
    rule.destinationChain != nil || allowedHooks(rule) != .all
  }
}
