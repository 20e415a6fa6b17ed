/// One rule of a chain: what a packet must be like, and what then happens to it.
///
/// Rules are values: two rules with the same content are the same rule, which is how `-C` and `-D`
/// find one.
///
///     let rule = Rule(
///       protocol: ProtocolMatch(.tcp), inInterface: InterfaceMatch("docker0", inverted: true),
///       matches: [.tcp(TCPMatch(destination: PortMatch(8080)))],
///       target: .dnat(NATTarget(addresses: ..., ports: 80...80)))
public struct Rule: Hashable, Sendable {
  /// The protocol, or nil for all.
  public var `protocol`: ProtocolMatch?
  /// The source address, or nil for any.
  public var source: AddressMatch?
  /// The destination address, or nil for any.
  public var destination: AddressMatch?
  /// The interface of arrival, or nil for any.
  public var inInterface: InterfaceMatch?
  /// The interface of departure, or nil for any.
  public var outInterface: InterfaceMatch?
  /// Whether the packet must be (true) or must not be (false) a later fragment; nil for either.
  public var fragment: Bool?
  /// The matches, all of which must hold, in the order in which they were written.
  public var matches: [Match]
  /// What happens; nil if the rule only counts.
  public var target: Target?

  /// Makes a rule; what is left out does not restrict.
  public init(
    protocol: ProtocolMatch? = nil,
    source: AddressMatch? = nil,
    destination: AddressMatch? = nil,
    inInterface: InterfaceMatch? = nil,
    outInterface: InterfaceMatch? = nil,
    fragment: Bool? = nil,
    matches: [Match] = [],
    target: Target? = nil
  ) {
    self.protocol = `protocol`
    self.source = source
    self.destination = destination
    self.inInterface = inInterface
    self.outInterface = outInterface
    self.fragment = fragment
    self.matches = matches
    self.target = target
  }

  /// The chain that the rule jumps or goes to, or nil.
  public var destinationChain: String? {
    switch target {
    case .jump(let name), .goto(let name): name
    default: nil
    }
  }

  /// Whether conntrack must run while the rule is in a table.
  public var needsConntrack: Bool {
    (target?.needsConntrack ?? false) || matches.contains { $0.needsConntrack }
  }
}

/// How many packets and bytes something has seen.
public struct RuleCounters: Hashable, Sendable {
  /// The number of packets.
  public var packets: UInt64
  /// The number of bytes, counted from the IP header.
  public var bytes: UInt64

  /// Makes counters, zero unless said otherwise.
  public init(packets: UInt64 = 0, bytes: UInt64 = 0) {
    self.packets = packets
    self.bytes = bytes
  }

  /// Counts one packet.
  @inlinable
  public mutating func count(bytes length: Int) {
    packets &+= 1
    bytes &+= UInt64(truncatingIfNeeded: length)
  }
}
