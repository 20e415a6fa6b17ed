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
  /// What conntrack knows of the packet's connection.
  public var connection = IPv6Connection()
  /// The socket here to which the packet belongs; nil for none (`socket`, `TPROXY`).
  public var socket: IPv6Socket?
  /// Where the way back to the packet's source leaves (`rpfilter`).
  public var reversePath = IPv6ReversePath.sameDevice
  /// The smallest MTU of the packet's way and the way back (`TCPMSS --clamp-mss-to-pmtu`).
  public var pathMTU = 1500
  /// The address of the device of departure (`MASQUERADE`).
  public var sourceAddress: IPv6Address?

  /// Makes a probe of a packet.
  public init(bytes: [UInt8]) { self.bytes = bytes }
}

/// What conntrack knows of an IPv6 packet's connection.
///
/// What is not given is as for a connection without translation that the packet itself belongs to.
public struct IPv6Connection: Sendable {
  /// The addresses and ports of a direction.
  public struct Tuple: Hashable, Sendable {
    /// The sender.
    public var source: IPv6Address
    /// The receiver.
    public var destination: IPv6Address
    /// The sender's port.
    public var sourcePort: UInt16
    /// The receiver's port.
    public var destinationPort: UInt16

    /// Makes a tuple.
    public init(
      source: IPv6Address,
      destination: IPv6Address,
      sourcePort: UInt16 = 0,
      destinationPort: UInt16 = 0
    ) {
      self.source = source
      self.destination = destination
      self.sourcePort = sourcePort
      self.destinationPort = destinationPort
    }
  }

  /// The original direction.
  public var original: Tuple?
  /// The reply direction, as replies arrive.
  public var reply: Tuple?
  /// Its facts; nil for those that the packet's state implies.
  public var status: ConntrackStatus?
  /// The seconds until it is forgotten.
  public var expiry: UInt32 = 0
  /// Packets and bytes of the original direction, this packet among them.
  public var sent: (packets: UInt64, bytes: UInt64)?
  /// Packets and bytes of the reply direction, this packet among them.
  public var received: (packets: UInt64, bytes: UInt64)?
  /// Its labels, a bit each.
  public var labels: UInt128 = 0
  /// How many connections `connlimit` counts, this one among them.
  public var siblings: UInt32 = 1
  /// The helper of the connection that announced this one.
  public var helper: String?

  /// Makes what is known of a connection without translation.
  public init() {}
}

/// A socket of this host.
public struct IPv6Socket: Hashable, Sendable {
  /// Whether it has IP_TRANSPARENT.
  public var isTransparent: Bool
  /// Whether it is bound to no address.
  public var isWildcard: Bool
  /// Its mark.
  public var mark: UInt32

  /// Makes a socket.
  public init(isTransparent: Bool = false, isWildcard: Bool = false, mark: UInt32 = 0) {
    self.isTransparent = isTransparent
    self.isWildcard = isWildcard
    self.mark = mark
  }
}

/// Where the way back to a packet's source leaves.
public enum IPv6ReversePath: Hashable, Sendable {
  /// By the device that the packet came by.
  case sameDevice
  /// By another device.
  case otherDevice
  /// Nowhere: the source is an address of this host.
  case local
  /// Nowhere: there is no route.
  case none
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
