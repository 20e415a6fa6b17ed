/// The address family of a ruleset: iptables rules or ip6tables rules.
public enum RuleFamily: UInt8, Hashable, Sendable, CaseIterable {
  /// IPv4, `iptables`.
  case ipv4
  /// IPv6, `ip6tables`.
  case ipv6

  /// The number of bits in an address.
  @inlinable public var addressBits: Int { self == .ipv4 ? 32 : 128 }

  /// The mask in which every bit of an address counts.
  @inlinable public var fullMask: UInt128 { self == .ipv4 ? UInt128(UInt32.max) : UInt128.max }
}

/// Which of the two iptables back ends holds a ruleset; Linux runs both at the same hooks.
public enum RulesetVariant: UInt8, Hashable, Sendable, CaseIterable {
  /// nf_tables, what `iptables` is on Debian.
  case nft
  /// The older ip_tables.
  case legacy
}

/// One of the five places on a packet's way where rules are asked.
public enum RuleHook: UInt8, Hashable, Sendable, CaseIterable {
  /// On arrival, before routing.
  case prerouting
  /// Before delivery to a local socket.
  case input
  /// Between arrival and departure of a packet for someone else.
  case forward
  /// After a local socket sent.
  case output
  /// Before departure.
  case postrouting

  /// The name of the base chain at this hook, such as `PREROUTING`.
  public var chainName: String {
    switch self {
    case .prerouting: "PREROUTING"
    case .input: "INPUT"
    case .forward: "FORWARD"
    case .output: "OUTPUT"
    case .postrouting: "POSTROUTING"
    }
  }
}

/// A set of hooks.
public struct RuleHooks: OptionSet, Hashable, Sendable {
  /// One bit for each hook.
  public let rawValue: UInt8

  /// Makes a set from its bits.
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// Makes the set of one hook.
  public init(_ hook: RuleHook) {
    rawValue = 1 << hook.rawValue
  }

  /// The hook of arrival.
  public static let prerouting = RuleHooks(.prerouting)
  /// The hook of local delivery.
  public static let input = RuleHooks(.input)
  /// The hook of forwarding.
  public static let forward = RuleHooks(.forward)
  /// The hook of local sending.
  public static let output = RuleHooks(.output)
  /// The hook of departure.
  public static let postrouting = RuleHooks(.postrouting)
  /// All five.
  public static let all: RuleHooks = [.prerouting, .input, .forward, .output, .postrouting]
}

/// The tables of iptables, in the order in which `iptables-save` prints them.
public enum RuleTable: UInt8, Hashable, Sendable, CaseIterable {
  /// Before conntrack.
  case raw
  /// For changing packets.
  case mangle
  /// For the first packet of a connection, which decides its translation.
  case nat
  /// For deciding what passes; the default.
  case filter
  /// After filter.
  case security

  /// The name after `-t`.
  public var name: String {
    switch self {
    case .raw: "raw"
    case .mangle: "mangle"
    case .nat: "nat"
    case .filter: "filter"
    case .security: "security"
    }
  }

  /// Finds a table by its name.
  public init?(name: String) {
    guard let table = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = table
  }

  /// The hooks at which the table has a base chain, in the order in which they are listed.
  public var hooks: [RuleHook] {
    switch self {
    case .raw: [.prerouting, .output]
    case .mangle: RuleHook.allCases
    case .nat: [.prerouting, .input, .output, .postrouting]
    case .filter, .security: [.input, .forward, .output]
    }
  }

  /// The priority of the table's base chain at a hook; lower runs first.
  public func priority(at hook: RuleHook) -> Int32 {
    switch self {
    case .raw: -300
    case .mangle: -150
    case .nat: hook == .prerouting || hook == .output ? -100 : 100
    case .filter: 0
    case .security: 50
    }
  }
}
