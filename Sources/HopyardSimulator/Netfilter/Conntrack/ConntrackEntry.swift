/// Facts about a connection, numbered as `enum ip_conntrack_status`.
public struct ConnectionFacts: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt32
  /// Makes a status from bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// An expectation announced it.
  public static let expected = ConnectionFacts(rawValue: 1)
  /// Packets went both ways.
  public static let seenReply = ConnectionFacts(rawValue: 2)
  /// It is not to be removed early.
  public static let assured = ConnectionFacts(rawValue: 4)
  /// Its first packet has left the host or reached a socket.
  public static let confirmed = ConnectionFacts(rawValue: 8)
  /// The original direction's source is translated.
  public static let sourceNAT = ConnectionFacts(rawValue: 16)
  /// The original direction's destination is translated.
  public static let destinationNAT = ConnectionFacts(rawValue: 32)
  /// The source translation is decided.
  public static let sourceNATDone = ConnectionFacts(rawValue: 128)
  /// The destination translation is decided.
  public static let destinationNATDone = ConnectionFacts(rawValue: 256)
  /// It is no longer in the table.
  public static let dying = ConnectionFacts(rawValue: 512)
  /// Its timeout does not move.
  public static let fixedTimeout = ConnectionFacts(rawValue: 1024)
  /// A rule named its helper.
  public static let helper = ConnectionFacts(rawValue: 8192)
  /// An answer to its dropped packet still belongs to it.
  static let attached = ConnectionFacts(rawValue: 1 << 29)
  /// Its packets and bytes are counted.
  static let accounted = ConnectionFacts(rawValue: 1 << 30)
  /// It is in the list of translated sources.
  static let bySource = ConnectionFacts(rawValue: 1 << 31)
}

/// What changed since listeners were last told, numbered as `enum ip_conntrack_events`.
struct ConntrackChanges: OptionSet {
  let rawValue: UInt8
  static let new = ConntrackChanges(rawValue: 1)
  static let related = ConntrackChanges(rawValue: 2)
  static let reply = ConntrackChanges(rawValue: 8)
  static let assured = ConntrackChanges(rawValue: 16)
  static let protocolInfo = ConntrackChanges(rawValue: 32)
  static let mark = ConntrackChanges(rawValue: 128)
}

/// A helper that reads a protocol's control connection.
public enum ConntrackHelper: UInt8, Sendable, CaseIterable {
  /// Active and passive FTP.
  case ftp = 1
  /// TFTP.
  case tftp = 2

  /// The name that rules and listings use.
  public var name: String {
    switch self {
    case .ftp: "ftp"
    case .tftp: "tftp"
    }
  }
}

/// Packets and bytes of both directions of a connection.
struct ConntrackAccount {
  var packets: (UInt64, UInt64) = (0, 0)
  var bytes: (UInt64, UInt64) = (0, 0)

  @inline(__always)
  mutating func count(_ direction: ConntrackDirection, bytes length: Int) {
    if direction == .original {
      packets.0 &+= 1
      bytes.0 &+= UInt64(truncatingIfNeeded: length)
    } else {
      packets.1 &+= 1
      bytes.1 &+= UInt64(truncatingIfNeeded: length)
    }
  }
}

/// A tracked connection; plain memory, two cache lines for IPv4.
///
/// The small fields stand where the tuples leave a byte.
struct ConntrackEntry<Address: AddressWord> {
  var original: ConntrackTuple<Address>
  var helper: UInt8 = 0
  var reply: ConntrackTuple<Address>
  var changes: ConntrackChanges = []
  var status: ConnectionFacts = []
  var mark: UInt32 = 0
  /// When it expires; before confirmation, how long it will live.
  var deadline: Int64 = 0
  var generation: UInt32 = 0
  /// Its number in order of creation.
  var serial: UInt32 = 0
  /// Neighbours in the list of translated sources, as index + 1.
  var nextBySource: UInt32 = 0
  var previousBySource: UInt32 = 0
  /// The device of MASQUERADE, as a global number; 0 for none.
  var masqueradeDevice: UInt32 = 0
  /// The connection that announced this one, as index + 1.
  var master: UInt32 = 0
  var tcp = TCPTracking()

  init(original: ConntrackTuple<Address>, reply: ConntrackTuple<Address>) {
    self.original = original
    self.reply = reply
  }

  @inline(__always)
  func tuple(_ direction: ConntrackDirection) -> ConntrackTuple<Address> {
    direction == .original ? original : reply
  }

  /// When a two-way UDP flow counts as a stream; it stands where a TCP connection keeps what its
  /// last segment said.
  var streamStart: Int64 {
    @inline(__always) get {
      Int64(bitPattern: UInt64(tcp.lastSequence) &<< 32 | UInt64(tcp.lastAck))
    }
    @inline(__always) set {
      tcp.lastSequence = UInt32(truncatingIfNeeded: newValue &>> 32)
      tcp.lastAck = UInt32(truncatingIfNeeded: newValue)
    }
  }
}
