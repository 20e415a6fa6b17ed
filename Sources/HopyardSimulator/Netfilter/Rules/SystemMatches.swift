public import HopyardWire

/// The control group of the sending socket.
public struct ControlGroupMatch: Hashable, Sendable {
  /// What names the group.
  public enum Group: Hashable, Sendable {
    /// `--cgroup`: the class id of net_cls.
    case classID(UInt32)
    /// `--path`: the path below the root of cgroup2.
    case path(String)
  }

  /// The group.
  public var group: Group
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ group: Group, inverted: Bool = false) {
    self.group = group
    self.inverted = inverted
  }
}

/// Whether a packet's connection belongs to this node of a cluster.
public struct ClusterMatch: Hashable, Sendable {
  /// How many nodes there are, 1 through 32.
  public var nodeCount: UInt32
  /// The nodes that this host is, one bit for each.
  public var nodes: UInt32
  /// The seed of the hash.
  public var seed: UInt32
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(nodeCount: UInt32, nodes: UInt32, seed: UInt32, inverted: Bool = false) {
    self.nodeCount = nodeCount
    self.nodes = nodes
    self.seed = seed
    self.inverted = inverted
  }
}

/// A label of the packet's connection.
public struct ConnectionLabelMatch: Hashable, Sendable {
  /// The number of the label, 0 through 127.
  public var label: UInt16
  /// Whether the label is set if it is not.
  public var sets: Bool
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ label: UInt16, sets: Bool = false, inverted: Bool = false) {
    self.label = label
    self.sets = sets
    self.inverted = inverted
  }
}

/// The groups of the devices of arrival and departure.
public struct DeviceGroupMatch: Hashable, Sendable {
  /// The group of the device of arrival.
  public var source: MarkMatch?
  /// The group of the device of departure.
  public var destination: MarkMatch?

  /// Makes a match; what is left out does not restrict.
  public init(source: MarkMatch? = nil, destination: MarkMatch? = nil) {
    self.source = source
    self.destination = destination
  }
}

/// What IPVS does with the packet.
public struct IPVSMatch: Hashable, Sendable {
  /// How IPVS forwards.
  public enum Method: UInt8, Hashable, Sendable {
    /// By changing addresses.
    case masquerade = 0
    /// In a tunnel.
    case tunnel = 2
    /// As a router would.
    case gateway = 3
  }

  /// A value that may be inverted.
  public struct Value<Wrapped: Hashable & Sendable>: Hashable, Sendable {
    /// The value.
    public var value: Wrapped
    /// Whether the match is the other way round (`!`).
    public var inverted: Bool

    /// Makes a value.
    public init(_ value: Wrapped, inverted: Bool = false) {
      self.value = value
      self.inverted = inverted
    }
  }

  /// Whether the packet belongs to an IPVS connection.
  public var isServed: Bool?
  /// The protocol of the virtual service.
  public var `protocol`: Value<UInt8>?
  /// The address of the virtual service.
  public var address: AddressMatch?
  /// The port of the virtual service.
  public var port: Value<UInt16>?
  /// Whether the packet goes the way of the first one, or (inverted) comes back.
  public var direction: Value<Bool>?
  /// How IPVS forwards it.
  public var method: Value<Method>?
  /// The port of the controlling connection, such as 21 for FTP.
  public var controlPort: Value<UInt16>?

  /// Makes a match; what is left out does not restrict.
  public init() {}
}

/// The operating system of the sender, by its SYN.
public struct FingerprintMatch: Hashable, Sendable {
  /// The system's name.
  public var genre: String
  /// How the TTL is compared, 0 through 2.
  public var ttl: UInt8?
  /// What is logged, 0 through 2.
  public var log: UInt8?
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ genre: String, ttl: UInt8? = nil, log: UInt8? = nil, inverted: Bool = false) {
    self.genre = genre
    self.ttl = ttl
    self.log = log
    self.inverted = inverted
  }
}

/// What IPsec did or will do with the packet.
public struct PolicyMatch: Hashable, Sendable {
  /// One transformation.
  public struct Element: Hashable, Sendable {
    /// A number that may be inverted.
    public struct Number: Hashable, Sendable {
      /// The number.
      public var value: UInt32
      /// Whether the match is the other way round (`!`).
      public var inverted: Bool

      /// Makes a number.
      public init(_ value: UInt32, inverted: Bool) {
        self.value = value
        self.inverted = inverted
      }
    }

    /// The request id.
    public var requestID: Number?
    /// The security parameter index.
    public var spi: Number?
    /// The protocol: 50, 51 or 108.
    public var `protocol`: Number?
    /// 0 for transport, 1 for tunnel.
    public var mode: Number?
    /// The tunnel's beginning.
    public var source: AddressMatch?
    /// The tunnel's end.
    public var destination: AddressMatch?

    /// Makes an element that does not restrict.
    public init() {}
  }

  /// Whether the policy is the one of decapsulation (`--dir in`).
  public var isIn: Bool
  /// Whether there must be no policy (`--pol none`).
  public var isNone: Bool
  /// Whether all elements must be there and in this order.
  public var isStrict: Bool
  /// The elements.
  public var elements: [Element]

  /// Makes a match.
  public init(isIn: Bool, isNone: Bool, isStrict: Bool = false, elements: [Element] = []) {
    self.isIn = isIn
    self.isNone = isNone
    self.isStrict = isStrict
    self.elements = elements
  }
}

/// The rate that an estimator of RATEEST has measured.
public struct RateMatch: Hashable, Sendable {
  /// A comparison.
  public enum Comparison: UInt8, Hashable, Sendable {
    /// The rates are the same.
    case equal
    /// The first is lower.
    case less
    /// The first is higher.
    case greater
  }

  /// The first estimator's name.
  public var first: String
  /// The second estimator's name; nil if the first is compared with numbers.
  public var second: String?
  /// How the first rate compares.
  public var comparison: Comparison
  /// Whether differences to the numbers are compared instead of the rates themselves.
  public var isDelta: Bool
  /// Bytes a second are compared; with a number unless two estimators are compared.
  public var bytes: UInt32?
  /// Packets a second are compared.
  public var packets: UInt32?
  /// The second estimator's bytes a second, for differences.
  public var secondBytes: UInt32?
  /// The second estimator's packets a second, for differences.
  public var secondPackets: UInt32?
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(
    _ first: String,
    second: String? = nil,
    comparison: Comparison,
    isDelta: Bool = false,
    bytes: UInt32? = nil,
    packets: UInt32? = nil,
    secondBytes: UInt32? = nil,
    secondPackets: UInt32? = nil,
    inverted: Bool = false
  ) {
    self.first = first
    self.second = second
    self.comparison = comparison
    self.isDelta = isDelta
    self.bytes = bytes
    self.packets = packets
    self.secondBytes = secondBytes
    self.secondPackets = secondPackets
    self.inverted = inverted
  }
}

/// The time of day and date at which the packet comes.
///
/// The virtual clock is read; it shows the time of ``Simulation/epoch`` when the run begins.
public struct TimeMatch: Hashable, Sendable {
  /// The last second that the kernel's interface can say.
  public static let latest = UInt32(Int32.max)
  /// The last second of a day.
  public static let lastOfDay: UInt32 = 86399

  /// The first second, since 1970.
  public var dateStart: UInt32
  /// The last second, since 1970.
  public var dateStop: UInt32
  /// The first second of the day.
  public var timeStart: UInt32
  /// The last second of the day.
  public var timeStop: UInt32
  /// The days of the month, bits 1 through 31.
  public var monthDays: UInt32
  /// The days of the week, bits 1 (Monday) through 7.
  public var weekDays: UInt8
  /// Whether times are those of the kernel's time zone rather than UTC.
  public var usesKernelZone: Bool
  /// Whether a time that begins before midnight belongs to the day on which it began.
  public var isContiguous: Bool

  /// Every day of a month.
  public static let allMonthDays: UInt32 = 0xffff_fffe
  /// Every day of a week.
  public static let allWeekDays: UInt8 = 0xfe

  /// Makes a match; what is left out does not restrict.
  public init(
    dateStart: UInt32 = 0,
    dateStop: UInt32 = latest,
    timeStart: UInt32 = 0,
    timeStop: UInt32 = lastOfDay,
    monthDays: UInt32 = allMonthDays,
    weekDays: UInt8 = allWeekDays,
    usesKernelZone: Bool = false,
    isContiguous: Bool = false
  ) {
    self.dateStart = dateStart
    self.dateStop = dateStop
    self.timeStart = timeStart
    self.timeStop = timeStop
    self.monthDays = monthDays
    self.weekDays = weekDays
    self.usesKernelZone = usesKernelZone
    self.isContiguous = isContiguous
  }
}
