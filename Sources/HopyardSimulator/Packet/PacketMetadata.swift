import HopyardWire

/// To whom a received frame was addressed, as Linux's `skb->pkt_type`.
public enum PacketType: UInt8, Sendable {
  /// To this device.
  case host
  /// To everybody.
  case broadcast
  /// To a group.
  case multicast
  /// To another host.
  case otherHost
  /// Sent by this host.
  case outgoing
  /// An own group or broadcast packet that this host hears too.
  case loopback
}

/// What the stack keeps beside a packet's bytes, as in Linux's `sk_buff`.
public struct PacketMetadata: Sendable {
  /// The journey's number, which clones share.
  public var journey: UInt64 = 0
  /// When a queued packet is due.
  var due: Int64 = 0
  /// The device that a queued packet waits for.
  var device: UInt32 = 0
  /// The device by which the packet entered its namespace, as a global device number; 0 for none.
  public var inputDevice: UInt32 = 0
  /// The bridge port by which a bridged packet came, as a global device number; 0 for none.
  public var bridgeInputPort: UInt32 = 0
  /// The bridge port by which a bridged packet leaves.
  public var bridgeOutputPort: UInt32 = 0
  /// The packet mark (`fwmark`).
  public var mark: UInt32 = 0
  /// The queueing priority, from the type of service.
  public var priority: UInt32 = 0
  /// The connection that conntrack found: an index and a generation; 0 for none.
  public var conntrack: UInt64 = 0
  /// How the packet relates to its connection, as `enum ip_conntrack_info`.
  public var conntrackInfo: UInt8 = 0
  /// To whom the frame was addressed.
  public var type: PacketType = .host
  /// What follows the link header.
  public var etherType: EtherType = .ipv4
  /// The 802.1Q tag that is kept beside the frame: its TPID, or 0 for none.
  public var vlanProtocol: UInt16 = 0
  /// The tag's priority and VLAN identifier.
  public var vlanTCI: UInt16 = 0
  /// How many link-header bytes stand before the first byte, where they were pulled.
  public var linkHeaderLength: UInt16 = 0
  /// The local socket that sent the packet; 0 for none.
  public var socket: UInt32 = 0
  /// The user that owns that socket.
  public var uid: UInt32 = 0
  /// The group that owns that socket.
  public var gid: UInt32 = 0
  /// The largest fragment of a packet that was reassembled; 0 if it was not.
  public var largestFragment: UInt16 = 0
  /// Facts about the packet on its way.
  public var flags: PacketFlags = []
  /// How many tunnels or local loops the packet went through.
  public var recursion: UInt8 = 0
  /// The next hop of a packet that leaves by a tunnel without a fixed end.
  public var nextHop: UInt32 = 0
  /// The routing realm, or the class that CLASSIFY set.
  public var realm: UInt32 = 0

  /// Makes empty metadata.
  public init() {}
}

/// Facts about a packet on its way through the stack.
public struct PacketFlags: OptionSet, Sendable {
  /// The bits.
  public let rawValue: UInt32
  /// Makes flags from bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// It was forwarded here.
  public static let forwarded = PacketFlags(rawValue: 1)
  /// Its source or destination was translated.
  public static let translated = PacketFlags(rawValue: 2)
  /// It may be fragmented here though it is longer than the route allows.
  public static let fragmentHere = PacketFlags(rawValue: 4)
  /// TRACE wants each rule told.
  public static let traced = PacketFlags(rawValue: 8)
  /// A redirect is to be sent to its sender.
  public static let redirect = PacketFlags(rawValue: 16)
  /// The bridge's netfilter detour is under way.
  public static let bridgeNetfilter = PacketFlags(rawValue: 32)
  /// Its DF bit was set when it was reassembled.
  public static let reassembledDF = PacketFlags(rawValue: 64)
  /// It was rerouted by source routing.
  public static let sourceRouted = PacketFlags(rawValue: 128)
  /// The sending socket is told of the packet's errors (`IP_RECVERR`).
  public static let reportsErrors = PacketFlags(rawValue: 256)
  /// The socket forbids local fragmentation.
  public static let dontFragmentLocally = PacketFlags(rawValue: 512)
  /// A socket here made the transport checksum, and translation keeps it right: as Linux, which
  /// leaves it to a card that is not there, nobody checks it again.
  public static let checksumIsRight = PacketFlags(rawValue: 65536)
  /// IP options came with the packet and were parsed.
  public static let hasOptions = PacketFlags(rawValue: 1024)
  /// TPROXY gave it to the socket whose number it carries.
  public static let assigned = PacketFlags(rawValue: 4096)
  /// Captures saw it when it entered the receive queue.
  public static let captured = PacketFlags(rawValue: 8192)
  /// A bridge waits for the neighbour to which a translated packet goes on the same bridge.
  public static let bridgedTranslation = PacketFlags(rawValue: 16384)
  /// A bridge answered the ARP request, which ports that asked for quiet need not see.
  public static let answeredARP = PacketFlags(rawValue: 32768)
  /// Captures date it when it is received and not when it enters the queue: the field for its arrival
  /// holds the time at which TCP sent it (`skb->tstamp_type`).
  public static let datedByTCP = PacketFlags(rawValue: 131_072)
  /// A bridge passes the frame up in place of the port that received it.
  public static let bridgeUp = PacketFlags(rawValue: 2048)
}
