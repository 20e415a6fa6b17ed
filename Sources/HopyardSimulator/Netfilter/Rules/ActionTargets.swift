public import HopyardWire

/// How a mark changes: the bits of `mask` are cleared, then those of `value` flipped.
public struct MarkTarget: Hashable, Sendable {
  /// The bits that are flipped.
  public var value: UInt32
  /// The bits that are cleared first.
  public var mask: UInt32

  /// Makes a target; without a mask the mark becomes the value.
  public init(_ value: UInt32, mask: UInt32 = .max) {
    self.value = value
    self.mask = mask
  }

  /// The mark after the change.
  @inlinable
  public func applied(to mark: UInt32) -> UInt32 {
    (mark & ~mask) ^ value
  }
}

/// What CONNMARK does.
public enum ConnectionMarkTarget: Hashable, Sendable {
  /// Changes the connection's mark.
  case set(MarkTarget)
  /// Copies the packet's mark (under `packetMask`) to the connection's (under `mask`).
  case save(packetMask: UInt32, mask: UInt32)
  /// Copies the connection's mark (under `mask`) to the packet's (under `packetMask`).
  case restore(packetMask: UInt32, mask: UInt32)
  /// The same, with the mark that is set or copied shifted by a number of bits.
  indirect case shifted(ConnectionMarkTarget, left: Bool, bits: UInt8)
}

/// What CT does.
public struct ConntrackTarget: Hashable, Sendable {
  /// Which direction a zone holds for.
  public enum ZoneDirection: UInt8, Hashable, Sendable {
    /// Both.
    case both
    /// `--zone-orig`.
    case original
    /// `--zone-reply`.
    case reply
  }

  /// Whether conntrack leaves the packet alone.
  public var isUntracked = false
  /// The helper's name.
  public var helper: String?
  /// The name of a timeout policy.
  public var timeout: String?
  /// The events that are told, as a set of bits; nil for all.
  public var events: UInt32?
  /// The expectation events that are told; nil for all.
  public var expectationEvents: UInt32?
  /// The zone; nil for zone 0.
  public var zone: UInt16?
  /// Whether the zone is the packet's mark.
  public var zoneIsMark = false
  /// Which direction the zone holds for.
  public var zoneDirection = ZoneDirection.both

  /// Makes a target that does nothing yet.
  public init() {}
}

/// What LOG writes.
public struct LogTarget: Hashable, Sendable {
  /// What else is logged, as a set with the kernel's numbers.
  public struct Flags: OptionSet, Hashable, Sendable {
    /// One bit for each flag.
    public let rawValue: UInt8

    /// Makes a set from its bits.
    public init(rawValue: UInt8) {
      self.rawValue = rawValue
    }

    /// `--log-tcp-sequence`.
    public static let tcpSequence = Flags(rawValue: 1)
    /// `--log-tcp-options`.
    public static let tcpOptions = Flags(rawValue: 2)
    /// `--log-ip-options`.
    public static let ipOptions = Flags(rawValue: 4)
    /// `--log-uid`.
    public static let userID = Flags(rawValue: 8)
    /// `--log-macdecode`.
    public static let macDecode = Flags(rawValue: 32)
  }

  /// What comes before the line.
  public var prefix: String
  /// The level, 0 (emerg) through 7 (debug).
  public var level: UInt8
  /// What else is logged.
  public var flags: Flags

  /// Makes a target.
  public init(prefix: String = "", level: UInt8 = 4, flags: Flags = []) {
    self.prefix = prefix
    self.level = level
    self.flags = flags
  }
}

/// Where NFLOG sends.
public struct NFLogTarget: Hashable, Sendable {
  /// The group.
  public var group: UInt16
  /// What comes with each packet.
  public var prefix: String
  /// How many bytes of a packet are copied (`--nflog-size`); nil for all.
  public var size: UInt32?
  /// The old `--nflog-range`, which the kernel ignores.
  public var range: UInt32?
  /// How many packets are sent at once; nil for 1.
  public var threshold: UInt16?

  /// Makes a target.
  public init(
    group: UInt16 = 0,
    prefix: String = "",
    size: UInt32? = nil,
    range: UInt32? = nil,
    threshold: UInt16? = nil
  ) {
    self.group = group
    self.prefix = prefix
    self.size = size
    self.range = range
    self.threshold = threshold
  }
}

/// Where NFQUEUE sends.
public struct NFQueueTarget: Hashable, Sendable {
  /// The first queue.
  public var queue: UInt16
  /// The number of queues among which packets are spread.
  public var total: UInt16
  /// Whether packets pass if no program listens.
  public var bypasses: Bool
  /// Whether the CPU chooses the queue.
  public var fansOutByCPU: Bool

  /// Makes a target.
  public init(
    queue: UInt16 = 0,
    total: UInt16 = 1,
    bypasses: Bool = false,
    fansOutByCPU: Bool = false
  ) {
    self.queue = queue
    self.total = total
    self.bypasses = bypasses
    self.fansOutByCPU = fansOutByCPU
  }
}

/// What SET adds to, deletes from or maps through ipsets.
public struct SetTarget: Hashable, Sendable {
  /// A set and the parts of an entry.
  public struct Reference: Hashable, Sendable {
    /// The set's name.
    public var name: String
    /// For each part of an entry, whether it is the packet's source (true) or destination.
    public var sources: [Bool]

    /// Makes a reference.
    public init(_ name: String, sources: [Bool]) {
      self.name = name
      self.sources = sources
    }
  }

  /// The set that gets an entry.
  public var add: Reference?
  /// The set that loses an entry.
  public var delete: Reference?
  /// The set whose entry gives the packet its mark, priority or queue.
  public var map: Reference?
  /// Whether an entry that is there gets its timeout anew.
  public var exists = false
  /// The timeout of the entry, in seconds; nil for the set's own.
  public var timeout: UInt32?
  /// `--map-mark`.
  public var mapsMark = false
  /// `--map-prio`.
  public var mapsPriority = false
  /// `--map-queue`.
  public var mapsQueue = false

  /// Makes a target that does nothing yet.
  public init() {}
}

/// How a TTL or hop limit changes.
public struct HopTarget: Hashable, Sendable {
  /// The change.
  public enum Operation: UInt8, Hashable, Sendable {
    /// Becomes the value.
    case set
    /// Grows by the value.
    case increase
    /// Shrinks by the value.
    case decrease
  }

  /// The change.
  public var operation: Operation
  /// The value.
  public var value: UInt8

  /// Makes a target.
  public init(_ operation: Operation, _ value: UInt8) {
    self.operation = operation
    self.value = value
  }
}

/// What the MSS option becomes.
public enum MSSTarget: Hashable, Sendable {
  /// A number.
  case set(UInt16)
  /// What the path allows.
  case clampToPMTU
}

/// How the TOS field changes: the bits of `mask` are cleared, then those of `value` flipped.
public struct TOSTarget: Hashable, Sendable {
  /// The bits that are flipped.
  public var value: UInt8
  /// The bits that are cleared first.
  public var mask: UInt8

  /// Makes a target.
  public init(value: UInt8, mask: UInt8) {
    self.value = value
    self.mask = mask
  }
}

/// Where TEE sends the copy.
public struct TeeTarget: Hashable, Sendable {
  /// The next hop, as an integer in host order.
  public var gateway: UInt128
  /// The interface; nil for what the route says.
  public var outInterface: String?

  /// Makes a target.
  public init(gateway: UInt128, outInterface: String? = nil) {
    self.gateway = gateway
    self.outInterface = outInterface
  }
}

/// Where TPROXY leads.
public struct TProxyTarget: Hashable, Sendable {
  /// The port; 0 for the packet's own.
  public var port: UInt16
  /// The address, as an integer in host order; 0 for the interface's own.
  public var address: UInt128
  /// The mark that the packet gets.
  public var mark: UInt32
  /// The bits of the mark that change.
  public var mask: UInt32

  /// Makes a target.
  public init(port: UInt16, address: UInt128 = 0, mark: UInt32 = 0, mask: UInt32 = 0) {
    self.port = port
    self.address = address
    self.mark = mark
    self.mask = mask
  }
}
