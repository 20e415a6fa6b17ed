public import HopyardWire

/// An IPv6 packet that is sent through `ip6tables` rules, with what is known around it.
///
/// The modelled hosts do not forward IPv6; a program gives the packet and the facts that the
/// kernel would find out: interfaces, the state of the connection, the host's addresses.
public struct IPv6Probe: Sendable {
  /// The packet from its IPv6 header on.
  public var bytes: [UInt8]
  /// The name of the interface of arrival.
  public var input: String?
  /// The name of the interface of departure.
  public var output: String?
  /// The device groups of the two.
  public var groups: (input: UInt32, output: UInt32) = (0, 0)
  /// The packet's mark.
  public var mark: UInt32 = 0
  /// The connection's mark.
  public var connectionMark: UInt32 = 0
  /// What `--ctstate` says of the packet.
  public var states: ConntrackStates = .new
  /// Whether it goes the way back of its connection.
  public var isReply = false
  /// The sender of its frame; nil for packets of this host.
  public var sourceMAC: MACAddress?
  /// To whom the frame was addressed.
  public var type = PacketType.host
  /// The user and group of the sending socket; nil for forwarded packets.
  public var owner: (user: UInt32, group: UInt32)?
  /// The host's own addresses.
  public var localAddresses: Set<IPv6Address> = []

  /// Makes a probe of a packet.
  public init(bytes: [UInt8]) { self.bytes = bytes }
}

/// What a hook says about an IPv6 packet.
public enum IPv6Verdict: Hashable, Sendable {
  /// It goes on.
  case accepted
  /// A rule or policy ends it.
  case dropped(RuleReference)
  /// It is dropped and answered.
  case rejected(RejectReason, RuleReference)
  /// It goes to a program, which is not there.
  case queued(RuleReference)
}

/// A part of a rule that cannot be evaluated on an IPv6 packet.
public struct IPv6RuleError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The part, such as `-m socket`.
  public var part: String
  /// The rule.
  public var rule: RuleReference

  /// The error in words.
  public var description: String {
    "\(part) is not evaluated on IPv6 packets (\(rule.table) \(rule.chain) \(rule.rule))"
  }
}
