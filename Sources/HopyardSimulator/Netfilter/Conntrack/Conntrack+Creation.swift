import HopyardWire

/// A connection that a command makes (`conntrack -I`).
public struct ConntrackCreation: Sendable {
  /// One direction.
  public struct Direction: Sendable {
    /// The source address.
    public var source: IPv4Address
    /// The destination address.
    public var destination: IPv4Address
    /// The source port, or the identifier of an ICMP message.
    public var sourcePort: UInt16
    /// The destination port, or the type and code of an ICMP message.
    public var destinationPort: UInt16

    /// Makes a direction.
    public init(
      source: IPv4Address,
      destination: IPv4Address,
      sourcePort: UInt16 = 0,
      destinationPort: UInt16 = 0
    ) {
      self.source = source
      self.destination = destination
      self.sourcePort = sourcePort
      self.destinationPort = destinationPort
    }
  }

  /// The protocol.
  public var `protocol`: IPProtocol
  /// As the connection begins.
  public var original: Direction
  /// As its answers look; nil for the other way round.
  public var reply: Direction?
  /// Seconds until it expires.
  public var timeout: Int
  /// Facts about it.
  public var status: ConnectionFacts = []
  /// The connection mark.
  public var mark: UInt32 = 0
  /// The zone.
  public var zone: UInt16 = 0
  /// The state of a TCP connection.
  public var tcpState: ConntrackTCPState?
  /// The address that takes the place of the source.
  public var sourceTranslation: IPv4Address?
  /// The address that takes the place of the destination.
  public var destinationTranslation: IPv4Address?

  /// Makes a request with what no connection lacks.
  public init(`protocol`: IPProtocol, original: Direction, timeout: Int) {
    self.protocol = `protocol`
    self.original = original
    self.timeout = timeout
  }
}

extension Conntrack {
  /// Puts a connection into the table; false if one of its tuples is there already.
  public func create(_ wanted: ConntrackCreation) -> Bool {
    var original = tuple(wanted.original, wanted.protocol)
    guard var reply = wanted.reply.map({ tuple($0, wanted.protocol) }) ?? original.inverted else {
      return false
    }
    original.zone = wanted.zone
    reply.zone = wanted.zone
    var status = wanted.status.union(.confirmed)
    if let address = wanted.sourceTranslation {
      reply.destination = address.rawValue
      status.formUnion([.sourceNAT, .sourceNATDone])
    }
    if let address = wanted.destinationTranslation {
      reply.source = address.rawValue
      status.formUnion([.destinationNAT, .destinationNATDone])
    }
    guard lookup(original) == nil, lookup(reply) == nil else { return false }
    let index = table.allocate(original: original, reply: reply)
    let entry = table.entry(index)
    entry.pointee.status = status
    entry.pointee.mark = wanted.mark
    if let state = wanted.tcpState { entry.pointee.tcp.state = state }
    entry.pointee.deadline =
      simulation.now.nanoseconds &+ Int64(clamping: wanted.timeout) &* 1_000_000_000
    noteDeadline(entry.pointee.deadline)
    table.insert(index)
    if status.contains(.sourceNATDone) { sources.insert(index, in: table) }
    entry.pointee.changes.insert(.new)
    statistics.inserted &+= 1
    tell(entry)
    return true
  }

  private func tuple(_ direction: ConntrackCreation.Direction, _ proto: IPProtocol) -> Tuple {
    Tuple(
      source: direction.source.rawValue,
      destination: direction.destination.rawValue,
      sourcePort: direction.sourcePort,
      destinationPort: direction.destinationPort,
      protocol: proto.rawValue
    )
  }
}
