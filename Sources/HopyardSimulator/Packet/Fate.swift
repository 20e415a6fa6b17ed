/// How a packet's way ended.
///
/// The cases are closed; their JSON names (`name`) do not change.
public enum Fate: Hashable, Sendable {
  /// A socket, ARP or the ICMP layer took it.
  case delivered
  /// A rule of a chain dropped it, or the policy if `rule` is 0.
  case netfilter(RuleReference)
  /// NAT found no free tuple.
  case natExhausted
  /// conntrack's table is full.
  case conntrackFull
  /// No route to the destination.
  case noRoute
  /// A `blackhole` route.
  case blackhole
  /// An `unreachable` route or rule.
  case unreachableRoute
  /// A `prohibit` route or rule.
  case prohibitRoute
  /// The neighbour did not answer.
  case neighbourFailed
  /// The queue of packets waiting for a neighbour was full.
  case neighbourQueueFull
  /// The TTL ran out.
  case ttlExceeded
  /// Reverse-path filtering.
  case reversePathFilter
  /// A source or destination address that may not be there.
  case martian
  /// No socket has the port.
  case noSocket
  /// No handler for the IP protocol.
  case noProtocol
  /// Too long for the next link, and DF is set.
  case fragmentationNeeded
  /// A link's or socket's queue was full.
  case queueFull
  /// The destination MAC address is not ours.
  case notForUs
  /// Forwarding is off and the destination is not ours.
  case forwardingDisabled
  /// The device is down or has no carrier.
  case deviceDown
  /// Longer than the receiving device takes.
  case tooLong
  /// A header that cannot be right.
  case malformed
  /// A checksum that is wrong.
  case badChecksum
  /// A VLAN that nobody listens to, or that a bridge port does not carry.
  case vlan
  /// A bridge port that is blocked, isolated or the one it came from.
  case bridgeBlocked
  /// An EtherType that nobody handles.
  case unknownEtherType
  /// A fragment that waits, or a datagram that was not completed in time.
  case fragmentTimeout
  /// Lost on a link on purpose.
  case linkLoss
  /// It went through too many devices within one machine.
  case recursionLimit
  /// An ICMP message that the host ignores.
  case ignored
  /// The interface has no handler for it, as a dummy device.
  case discarded

  /// The name in JSON.
  public var name: String {
    switch self {
    case .delivered: "delivered"
    case .netfilter: "netfilter"
    case .natExhausted: "nat-exhausted"
    case .conntrackFull: "conntrack-full"
    case .noRoute: "no-route"
    case .blackhole: "blackhole"
    case .unreachableRoute: "unreachable-route"
    case .prohibitRoute: "prohibit-route"
    case .neighbourFailed: "neighbour-failed"
    case .neighbourQueueFull: "neighbour-queue-full"
    case .ttlExceeded: "ttl-exceeded"
    case .reversePathFilter: "rp-filter"
    case .martian: "martian"
    case .noSocket: "no-socket"
    case .noProtocol: "no-protocol"
    case .fragmentationNeeded: "fragmentation-needed"
    case .queueFull: "queue-full"
    case .notForUs: "not-for-us"
    case .forwardingDisabled: "forwarding-disabled"
    case .deviceDown: "device-down"
    case .tooLong: "too-long"
    case .malformed: "malformed"
    case .badChecksum: "bad-checksum"
    case .vlan: "vlan"
    case .bridgeBlocked: "bridge-blocked"
    case .unknownEtherType: "unknown-ethertype"
    case .fragmentTimeout: "fragment-timeout"
    case .linkLoss: "link-loss"
    case .recursionLimit: "recursion-limit"
    case .ignored: "ignored"
    case .discarded: "discarded"
    }
  }
}

/// Names a rule by its place: table, chain and number from 1; number 0 is the chain's policy.
public struct RuleReference: Hashable, Sendable {
  /// The table, as `filter`.
  public var table: String
  /// The chain, as `FORWARD`.
  public var chain: String
  /// The rule's number from 1; 0 for the policy.
  public var rule: Int

  /// Makes a reference.
  public init(table: String, chain: String, rule: Int) {
    self.table = table
    self.chain = chain
    self.rule = rule
  }
}
